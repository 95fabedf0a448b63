-- The list of answered approvals, newest first: without it every answer ever given would be sorted.
CREATE INDEX approval_decided ON approval (requested_at DESC, id DESC) WHERE state <> 'pending';
