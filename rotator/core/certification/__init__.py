"""What `rotator certify` makes of what it saw on an org: facts, and how each compares with what is assumed. Pure."""
