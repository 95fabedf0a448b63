-- Waits for calls that are being counted, and holds off the next ones.
SELECT zone FROM cost_zone FOR UPDATE
