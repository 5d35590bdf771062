"""What the program is made of: its licences, what is known against them, a bill of materials, a wheel made twice."""
