"""What people use today in this program's place, on the same emulators, beside it."""
