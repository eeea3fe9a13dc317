import Alambic

print("alambic")
