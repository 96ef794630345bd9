public import DNSRecords

/// Why a file of trust anchors can't be used.
public struct TrustAnchorFileFault: Error, Hashable, Sendable, CustomStringConvertible {
  public let path: String
  public let reason: String
  public var description: String { "\(path): \(reason)" }
}

extension Configuration.DNS {
  /// What validation begins at: what the file holds, or the built-in keys of the root.
  public func anchors(
    from files: some SurroundingFiles = SystemFiles()
  ) throws(TrustAnchorFileFault) -> [TrustAnchor] {
    guard let path = trustAnchors else { return RootAnchors.builtIn }
    let octets: [UInt8]
    do throws(FileTrouble) {
      octets = try files.read(path, maximumOctets: TrustAnchorFile.maximumOctets)
    } catch {
      throw TrustAnchorFileFault(path: path, reason: error.reason)
    }
    do throws(TrustAnchorFault) {
      return try TrustAnchorFile.parse(octets)
    } catch {
      throw TrustAnchorFileFault(path: path, reason: error.description)
    }
  }
}
