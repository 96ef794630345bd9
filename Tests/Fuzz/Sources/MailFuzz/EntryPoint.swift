import Glibc

/// The environment's variable that chooses the target.
private let variable = "MARTLET_FUZZ"

private let chosen: FuzzTarget = {
  let name = getenv(variable).map { String(cString: $0) } ?? ""
  if let target = FuzzTarget.all.first(where: { $0.name == name }) { return target }
  // What Tests/Fuzz/run reads: each target with the octets of its longest input.
  for target in FuzzTarget.all { print(target.name, target.maximumOctets) }
  let complaint = "\(variable)=\"\(name)\" is no target: those above are, each with the octets of its longest input\n"
  _ = complaint.withCString { write(STDERR_FILENO, $0, strlen($0)) }
  exit(64)
}()

/// libFuzzer's first call: an unknown target ends the process before any input is read.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
  _ = chosen
  return 0
}

/// libFuzzer's call for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  chosen.run(UnsafeRawBufferPointer(start: start, count: count))
  return 0
}

/// The package manager renames an executable's `main` to this, and libFuzzer's own can't be renamed.
@_cdecl("MailFuzz_main")
public func main(
  _ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> CInt {
  var (count, arguments) = (count, arguments)
  return runDriver(&count, &arguments) { testOneInput($0, $1) }
}

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
  _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt
