import DNSRecords
import MailSyntax
import TransportSecurity

extension SurroundingsCheck {
  func checkCertificates(_ report: inout Report) {
    var names: [String] = []
    var areAllRead = true
    for (number, certificate) in report.configuration.certificates.enumerated() {
      let place = "tls.certificates[\(number)]"
      guard areReadable(certificate, &report, at: place) else {
        areAllRead = false
        continue
      }
      do {
        let facts = try loadCertificate(certificate)
        names += facts.dnsNames
        checkTimes(of: facts, certificate, &report, at: place)
      } catch {
        areAllRead = false
        report.add(.error, "\(error)", at: place, remedy: "give a chain and the key it was issued for")
      }
      warnOfReaders(of: certificate.key, &report, at: "\(place).key")
    }
    let hostName = report.configuration.hostName
    guard areAllRead, !report.configuration.certificates.isEmpty,
      !DNSID.anyMatches(presented: names, host: hostName.description)
    else { return }
    report.add(
      .warning, "no certificate carries \(hostName), so clients that connect to this name will refuse it",
      at: "tls.certificates[0].chain", remedy: "have a certificate issued for \(hostName)")
  }

  /// What each file needs before the two are looked at as a pair.
  private func areReadable(
    _ certificate: Configuration.CertificateFiles, _ report: inout Report, at place: String
  ) -> Bool {
    var areReadable = true
    for (path, name) in [(certificate.chain, "chain"), (certificate.key, "key")] {
      do throws(FileTrouble) {
        _ = try files.read(path, maximumOctets: SurroundingsCheck.maximumCertificateOctets)
      } catch {
        areReadable = false
        let remedy =
          switch error.cause {
          case .missing: "put the \(name) there, or name the file that has it"
          case .denied: "let the user that runs martlet read it, and its folders"
          case .tooLarge, .other: "name a PEM file with the \(name)"
          }
        report.add(.error, "\(path): \(error.reason)", at: "\(place).\(name)", place, remedy: remedy)
      }
    }
    return areReadable
  }

  private func checkTimes(
    of facts: CertificateFacts, _ certificate: Configuration.CertificateFiles, _ report: inout Report, at place: String
  ) {
    let chain = certificate.chain
    let remedy = "have it renewed"
    if facts.notValidAfter <= now {
      report.add(
        .error, "\(chain): the certificate has expired", at: "\(place).chain", remedy: remedy, allowsServing: true)
    } else if facts.notValidBefore > now {
      report.add(
        .error, "\(chain): the certificate is not valid yet", at: "\(place).chain", remedy: "set this machine's clock",
        allowsServing: true)
    } else if facts.notValidAfter - now < SurroundingsCheck.certificateNotice {
      let days = (facts.notValidAfter - now).nanoseconds / 86_400_000_000_000
      report.add(
        .warning, "\(chain): the certificate expires in \(days) days", at: "\(place).chain", remedy: remedy)
    }
  }

  func checkTrustRoots(_ report: inout Report) {
    if report.configuration.trustRoots.isEmpty, report.configuration.hasVerifiedNextHop {
      do {
        try loadTrustRoots(nil)
      } catch {
        report.add(
          .error, "\(error)", at: "outbound.smarthost", "domains", remedy: "or name a PEM file in tls.trust_roots")
      }
    }
    for path in report.configuration.trustRoots {
      do {
        try loadTrustRoots(path)
      } catch {
        report.add(.error, "\(error)", at: "tls.trust_roots", remedy: "name a PEM file with authorities' certificates")
      }
    }
  }

  func checkTrustAnchors(_ report: inout Report) {
    guard let dns = report.configuration.dns, let path = dns.trustAnchors else { return }
    let place = "dns.trust_anchors"
    do throws(TrustAnchorFileFault) {
      let anchors = try dns.anchors(from: files)
      guard RootAnchors.areOutOfDate(anchors) else { return }
      report.add(
        .warning, "\(path): \(ValidationFault.anchorsOutOfDate)", at: place,
        remedy: ValidationFault.anchorsOutOfDate.remedy)
    } catch {
      report.add(
        .error, "\(error)", at: place, remedy: "give a file of DS or DNSKEY records, or take the key out")
    }
  }
}
