import Configuration
import MailSyntax
import QueueStorage
import Relay
import SMTPSessions
import SMTPTransport

extension QueueRunner.Options {
  init(_ configuration: Configuration) {
    self.init(hostName: configuration.hostName, schedule: configuration.queue.retry)
    policySchedule = configuration.queue.policyRetry
    giveUpAfter = configuration.queue.giveUpAfter
    delayReportAfter = configuration.queue.delayReportAfter
    drainTime = configuration.drainTime
  }
}

extension StoreOptions {
  init(_ configuration: Configuration, segmentSize: ByteCount? = nil) {
    self.init()
    history = configuration.queue.history
    freeSpaceFloor = configuration.queue.spaceFloor
    spillThreshold = ByteCount(configuration.limits.memoryInFlight.bytes / 2)
    // Whatever SIZE may announce after a reload must find its place, and so must a report that returns it.
    longestBody = ByteCount(Configuration.Limits.largestMessageSize.bytes + (1 << 20))
    if let segmentSize { self.segmentSize = segmentSize }
  }
}

extension ConnectionLimits {
  init(_ limits: Configuration.Limits) {
    self.init()
    total = limits.connections
    perAddress = limits.connectionsPerAddress
    handshakesPerAddressPerMinute = limits.handshakesPerAddressPerMinute
  }
}

extension ServerSettings {
  init(_ configuration: Configuration) {
    self.init(
      hostName: configuration.hostName, limits: configuration.limits.session,
      offersSTARTTLS: !configuration.certificates.isEmpty)
  }
}

extension TLSIdentityFiles {
  init(_ files: Configuration.CertificateFiles) { self.init(chain: files.chain, key: files.key) }
}

extension Secret {
  static func random(octets: Int) -> Secret {
    var generator = SystemRandomNumberGenerator()
    return Secret((0..<octets).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
  }
}
