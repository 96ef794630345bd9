import ArgumentParser

/// The exit codes of the program, after sysexits.h. The help of `martlet` lists them.
enum ExitStatus {
  static let wrongUse = ExitCode(64)
  static let badData = ExitCode(65)
  static let noInput = ExitCode(66)
  static let noSuchHost = ExitCode(68)
  static let unavailable = ExitCode(69)
  static let internalError = ExitCode(70)
  static let cannotCreate = ExitCode(73)
  static let inputOutput = ExitCode(74)
  static let tryAgain = ExitCode(75)
  static let notPermitted = ExitCode(77)
  static let badConfiguration = ExitCode(78)
}
