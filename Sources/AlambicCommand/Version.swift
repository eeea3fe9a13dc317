/// Of the library and the command.
let alambicVersion = "0.1.0"
