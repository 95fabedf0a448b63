SELECT min(at) FROM audit
