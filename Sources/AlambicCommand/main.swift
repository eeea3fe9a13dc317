print("alambic")
