import MailSyntax
import TransportSecurity

/// The golden table's rows as they are written.
enum DecisionTableText {
  static func render() -> String {
    var text = """
      # What TLS a delivery to one MX host needs, by all that may ask for it. Documentation/Decisions/0011 has the reasons.
      # Written by a test, and read by people; MARTLET_REWRITE_GOLDEN=1 rewrites it.
      #
      #   sender   -: nothing, require: REQUIRETLS, waive: TLS-Required: No
      #   mx       whether DNSSEC proves the MX record
      #   tlsa     the host's TLSA records: unsought (addresses not proven), failed look-up, proven and unusable or usable
      #   mta-sts  the domain's policy; "other" doesn't list this host; "unavailable" is announced and can't be had
      #   columns  the operator's floor
      #
      #   clear    TLS where it can be had, else cleartext      enc     TLS, whoever answers
      #   pkix     a public authority proves the name           dane    the TLSA records prove the server
      #   both     pkix and dane                                later   not this host; the mail waits
      #   refuse   not this host; if no host will do the sender is told (5.7.10)


      """
    let floors = EvidenceCatalogue.floors
    text += row(["sender", "mx", "tlsa", "mta-sts"], floors.map(\.rawValue))
    for wish in EvidenceCatalogue.wishes {
      for exchangers in EvidenceCatalogue.exchangers {
        text += "\n"
        for tlsa in EvidenceCatalogue.tlsa {
          for sts in EvidenceCatalogue.sts {
            text += row(
              [wish.name, exchangers.name, tlsa.name, sts.name],
              floors.map {
                word(EvidenceCatalogue.evidence($0, wish.value, exchangers.value, tlsa.value, sts.value))
              })
          }
        }
      }
    }
    text +=
      "\n# What the domain's hosts have steadily shown: enc(rypted) or ver(ified), and outbound.tls.on_downgrade. The\n"
    text += "# floor is opportunistic, and the sender asks for nothing.\n\n"
    let histories = EvidenceCatalogue.histories
    text += row(["", "mx", "tlsa", "mta-sts"], histories.map(\.name))
    for exchangers in EvidenceCatalogue.exchangers {
      text += "\n"
      for tlsa in EvidenceCatalogue.tlsa {
        for sts in EvidenceCatalogue.sts {
          text += row(
            ["", exchangers.name, tlsa.name, sts.name],
            histories.map {
              word(
                EvidenceCatalogue.evidence(
                  .opportunistic, .unstated, exchangers.value, tlsa.value, sts.value, $0.value))
            })
        }
      }
    }
    return text
  }

  static func word(_ evidence: TLSEvidence) -> String {
    switch decide(evidence).verdict {
    case .opportunistic: "clear"
    case .encrypt: "enc"
    case .authenticate(.pkix): "pkix"
    case .authenticate(.dane): "dane"
    case .authenticate(.pkixAndDANE): "both"
    case .tryLater: "later"
    case .refuse: "refuse"
    }
  }

  private static func row(_ keys: [String], _ verdicts: [String]) -> String {
    let widths = [8, 9, 9, 15]
    let line =
      zip(keys, widths).map { pad($0, $1) }.joined(separator: " ") + " | "
      + verdicts.map { pad($0, 13) }.joined(separator: " ")
    return line.trimmingTrailingSpaces() + "\n"
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}

extension String {
  fileprivate func trimmingTrailingSpaces() -> String {
    var text = self[...]
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
