import Foundation
import MailSyntax
import Synchronization

/// A name server on loopback that answers every question with one address, or says nothing.
final class LoopbackNameServer: Sendable {
  let endpoint: SocketEndpoint
  private let descriptor: Int32
  private let questions = Mutex(0)

  /// How often it was asked, questions of every type.
  var asked: Int { questions.withLock { $0 } }

  /// - Parameter timeToLive: of its answers; nil for silence.
  init(timeToLive: UInt32?) throws {
    descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let socket = descriptor
    let bound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, length) == 0 && getsockname(socket, $0, &length) == 0
      }
    }
    guard bound else { throw POSIXError(.EADDRNOTAVAIL) }
    endpoint = SocketEndpoint(address: .v4(0x7f00_0001), port: UInt16(bigEndian: address.sin_port))
    Thread.detachNewThread { [weak self] in LoopbackNameServer.serve(socket, timeToLive) { self?.count() } }
  }

  deinit { shutdown(descriptor, Int32(SHUT_RDWR)) }

  private func count() { questions.withLock { $0 += 1 } }

  private static func serve(_ socket: Int32, _ timeToLive: UInt32?, _ count: () -> Void) {
    var packet = [UInt8](repeating: 0, count: 4_096)
    while true {
      var sender = sockaddr()
      var length = socklen_t(MemoryLayout<sockaddr>.size)
      let octets = recvfrom(socket, &packet, packet.count, 0, &sender, &length)
      guard octets >= 12 else { break }
      count()
      guard let timeToLive else { continue }
      // The header, the question without what stands behind it, and a record of the question's name.
      let question = packet[12..<octets]
      let end = (question.firstIndex(of: 0) ?? octets - 5) + 5
      var answer = Array(packet[0..<2]) + [0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0] + packet[12..<end]
      answer += [0xc0, 12, 0, 1, 0, 1] + withUnsafeBytes(of: timeToLive.bigEndian, Array.init) + [0, 4, 192, 0, 2, 1]
      _ = sendto(socket, answer, answer.count, 0, &sender, length)
    }
    close(socket)
  }
}
