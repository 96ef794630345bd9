import ArgumentParser
import Diagnosis
import Foundation
import MailSyntax
import SMTPTransport

struct TraceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "The way of a message: which hop was encrypted, how, by whose word.",
    discussion: """
      Reads the Received fields of a saved message, or of standard input for `-`, and tells them oldest first. A field \
      is the word of the server that wrote it. The newest one is believed, and those below it as long as the message \
      had not come from outside; all older ones can be forged. Name your own servers with --trust, by domain or \
      address block, to believe what they wrote too.
      """)

  @Argument(help: ArgumentHelp("The message, or - for standard input.", valueName: "file")) var file: String?
  @Option(
    help: ArgumentHelp("A domain or address block of your own servers; may be given several times.", valueName: "name"))
  var trust: [String] = []
  @Flag(name: .shortAndLong, help: "Show each field as it stands in the message too.") var verbose = false
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard file != nil else { throw ValidationError("Name a message file, or - for standard input.") }
    _ = try boundary()
  }

  func run() async throws {
    guard let file else { return }
    let octets = try TraceFile.read(file)
    guard let reading = HeaderReading(octets) else {
      Console.complain("\(QueueText.printable(file)): this is no message: it has no header field")
      throw ExitStatus.badData
    }
    let report = TraceReport(
      trace: MessageTrace(reading.header, trust: try boundary()), shortfall: reading.shortfall, showsFields: verbose)
    Console.print(try json ? QueueText.json(report) : report.lines(Paint.onStandardOutput).joined(separator: "\n"))
  }

  private func boundary() throws -> TrustBoundary {
    var domains: [DomainName] = []
    var networks: [IPNetwork] = []
    for text in trust {
      if let network = IPNetwork(text) {
        networks.append(network)
      } else if let domain = try? DomainName(text) {
        domains.append(domain)
      } else {
        throw ValidationError(
          "--trust takes a domain or an address block, as example.org or 192.0.2.0/24, not \"\(text)\".")
      }
    }
    return TrustBoundary(domains: domains) { [networks] address in networks.contains { $0.contains(address) } }
  }
}

/// Reads what of a file a trace needs.
enum TraceFile {
  static func read(_ path: String) throws -> Data {
    do {
      let handle =
        path == "-" ? FileHandle.standardInput : try FileHandle(forReadingFrom: URL(filePath: path))
      var octets = Data()
      while octets.count < HeaderReading.maximumOctets,
        let more = try handle.read(upToCount: HeaderReading.maximumOctets - octets.count), !more.isEmpty
      {
        octets.append(more)
      }
      return octets
    } catch {
      let isThere = path == "-" || FileManager.default.fileExists(atPath: path)
      let reason = isThere ? error.localizedDescription : "there is no such file"
      Console.complain("\(QueueText.printable(path)): \(QueueText.printable(reason))")
      throw isThere ? ExitStatus.inputOutput : ExitStatus.noInput
    }
  }
}
