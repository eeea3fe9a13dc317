/// The version of the library and the command.
public let alambicVersion = "0.1.0"
