import Subprocess

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

extension Subprocess.Configuration {
  /// The program in the file `path` with its arguments, run in `folder`, or where we are.
  init(program path: String, _ arguments: [String], in folder: String? = nil) {
    self.init(
      executable: .path(FilePath(path)), arguments: Arguments(arguments),
      workingDirectory: folder.map { FilePath($0) })
  }
}
