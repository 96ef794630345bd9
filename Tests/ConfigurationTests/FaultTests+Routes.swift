@testable import Configuration

private let form = "an address, as anna@example.com, or the local part of one in the same domain"

/// One domain, whose keys begin in line 3, column 5.
private func domain(_ lines: String...) -> String {
  (["domains:", "  example.com:"] + lines.map { "    \($0)" }).joined(separator: "\n")
}

private func smarthost(_ lines: String...) -> String {
  (["outbound:", "  route: smarthost", "  smarthost:"] + lines.map { "    \($0)" }).joined(separator: "\n")
}

extension FaultTests {
  static let domains: [FaultRow] = [
    FaultRow(
      "domains:\n  example:\n    deliver: discard\n    postmaster: a@example.com",
      "2:3: error: domains: 'example' is not fully qualified (RFC 5321 §2.3.5) / give a domain, as example.com"),
    FaultRow(
      domain("recipients: [anna]", "deliver: discard"),

      """
      2:3: error: domains.example.com: nobody reads the postmaster's mail (RFC 5321 §4.5.1) / add \
      postmaster: with the address of a person
      """),
    FaultRow(domain("recipients: [Postmaster]", "deliver: discard")),
    FaultRow(domain("recipients: ask-lmtp", "postmaster: postmaster", "deliver: {lmtp: '127.0.0.1:24'}")),
    FaultRow(domain("recipients: [ask-lmtp]", "postmaster: ask-lmtp", "deliver: discard")),
    FaultRow(
      domain("recipients: ask-lmtp", "postmaster: anna", "catch_all: anna", "deliver:", "  maildir: /m/%n"),

      """
      3:5: error: domains.example.com.recipients: ask-lmtp asks an LMTP server, and this domain's mail goes to none \
      / list the mailboxes, or give deliver: with lmtp
      """,
      """
      5:5: error: domains.example.com.catch_all: who isn't here is the LMTP server's to say / leave out either \
      catch_all or ask-lmtp
      """),
    FaultRow(domain("aliases: {postmaster: anna, anna: anna@elsewhere.example}", "deliver: discard")),
    FaultRow(
      domain("recipients: postmaster", "postmaster: anna", "deliver: discard"),

      """
      4:5: error: domains.example.com.postmaster: a recipient or alias of this name takes the mail \
      already / leave one of the two
      """),
    FaultRow(
      domain("recipients: [anna@example.com, 'a b', anna@example.org]", "postmaster: x@y@", "deliver: discard"),

      """
      3:18: error: domains.example.com.recipients: 'anna@example.com' has its domain with it / write anna \
      in the section of its domain
      """,

      """
      3:36: error: domains.example.com.recipients: 'a b' is not a local part: the part before the @ has a \
      character that must be quoted, or a misplaced dot / give what stands before the @
      """,

      """
      3:43: error: domains.example.com.recipients: 'anna@example.org' has its domain with it / write anna \
      in the section of its domain
      """,

      """
      4:17: error: domains.example.com.postmaster: 'x@y@' is not an address: the part before the @ has a \
      character that must be quoted, or a misplaced dot / give \(form)
      """),
    FaultRow(
      domain("recipients: [anna]", "postmaster: ana", "deliver: discard"),

      """
      4:5: error: postmaster@example.com leads to ana@example.com, and no recipient or alias has that \
      name / did you mean 'anna'?
      """),
    FaultRow(
      domain(
        "recipients: [anna]", "aliases:", "  info: [anna, bert]", "  all: info", "postmaster: anna", "deliver: discard"),

      """
      5:20: error: info@example.com leads to bert@example.com, and no recipient or alias has that name / \
      add it to recipients, or name somebody else
      """),
    FaultRow(
      domain("aliases:", "  a: b", "  b: a", "postmaster: x@example.net", "deliver: discard"),

      """
      4:7: error: a@example.com leads round in a circle at a@example.com / add a as a recipient if it is \
      to keep a copy, or break the circle
      """,

      """
      5:7: error: b@example.com leads round in a circle at b@example.com / add b as a recipient if it is \
      to keep a copy, or break the circle
      """),
    FaultRow(
      domain(
        "recipients: [anna, Anna]", "aliases:", "  info: anna", "  INFO: anna", "  none: []", "postmaster: anna",
        "deliver: discard"),
      "3:24: error: the recipient Anna@example.com is configured twice / leave one of them",
      "6:7: error: the alias INFO@example.com is configured twice / put their addresses into one",
      "7:7: error: the alias none@example.com names nobody / give it an address"),
    FaultRow(
      domain("recipients: [anna]", "catch_all: nobody", "postmaster: anna", "deliver: discard"),

      """
      4:5: error: the catch-all of example.com leads to nobody@example.com, and no recipient or alias has \
      that name / add it to recipients, or name somebody else
      """),
    FaultRow(
      domain(
        "recipients: [anna]", "aliases: {anna: bert@example.net}", "postmaster: bert@example.net", "deliver: discard"),

      """
      4:15: warning: the alias anna takes all mail from the recipient of that name / add anna to its own \
      addresses to keep a copy, or take the recipient out
      """),
    FaultRow(
      domain("postmaster: anna@example.net", "deliver: discard") + """
        \n  Example.COM:\n    postmaster: anna@example.net\n    deliver: discard
        """,
      "5:3: error: the domain Example.COM is configured twice / put both sections into one"),
    FaultRow(
      domain("postmaster: a@example.net"),

      """
      2:3: error: domains.example.com.deliver is missing / add deliver: discard, or a section with \
      maildir or lmtp
      """),
    FaultRow(
      domain("postmaster: a@example.net", "deliver: maildir"),

      """
      4:14: error: domains.example.com.deliver: 'maildir' is not discard / give discard, or a section \
      with maildir or lmtp
      """),
    FaultRow(
      domain("postmaster: a@example.net", "deliver: {}"),

      """
      4:5: error: domains.example.com.deliver: no place is given / give discard, or a section with \
      maildir or lmtp
      """),
    FaultRow(
      domain("postmaster: a@example.net", "deliver:", "  maildir: /m/%n", "  lmtp: 127.0.0.1:24"),
      "4:5: error: domains.example.com.deliver: mail is put in one place / leave either maildir or lmtp"),
    FaultRow(
      domain("postmaster: a@example.net", "deliver:", "  maildir: /m/%u"),

      """
      5:16: error: domains.example.com.deliver.maildir: '/m/%u' has a % that is neither %d nor %n / give \
      a path, in which %d stands for the domain and %n for the local part
      """),
    FaultRow(
      domain("recipients: [a, b]", "postmaster: a", "deliver:", "  maildir: /m/%d"),

      """
      5:5: warning: domains.example.com: all of its mailboxes share one Maildir / put %n into the path, \
      where the local part is to stand
      """),
    FaultRow(
      domain("postmaster: a@example.net", "deliver:", "  lmtp: dovecot:25"),

      """
      5:13: error: domains.example.com.deliver.lmtp: port 25 is SMTP's; RFC 2033 §5 keeps LMTP off it / \
      give unix:/path or a host and a port, as 127.0.0.1:24, [::1]:24 or mail.example.com:24
      """),
    FaultRow(
      domain("postmaster: a@example.net", "recipient_delimiter: plus", "deliver: discard"),

      """
      4:26: error: domains.example.com.recipient_delimiter: 'plus' is no delimiter / give one of + - _ = \
      . # or the word none
      """),
  ]

  static let outbound: [FaultRow] = [
    FaultRow(
      "outbound: {}", without: "outbound",
      "1:1: error: outbound.route is missing / add route: mx, smarthost, none, discard or maildir"),
    FaultRow(
      "outbound:\n  route: smarthost", without: "outbound",
      "2:3: error: outbound.smarthost is missing, which the route smarthost needs / add smarthost"),
    FaultRow(
      "outbound:\n  route: maildir", without: "outbound",
      "2:3: error: outbound.maildir is missing, which the route maildir needs / add maildir"),
    FaultRow(
      "outbound:\n  route: discard\n  maildir: /m", without: "outbound",

      """
      3:3: error: outbound.maildir: it has no effect, for the route is discard / write route: maildir, or \
      take maildir out
      """),
    FaultRow(
      "outbound:\n  route: smart_host", without: "outbound",

      """
      2:10: error: outbound.route: 'smart_host' is not one of mx, smarthost, none, discard, maildir / did you \
      mean 'smarthost'?
      """),
    FaultRow(
      smarthost("host: 192.0.2.1", "password: secret"), without: "outbound",

      """
      4:11: error: outbound.smarthost.host: '192.0.2.1' is an address and not a host name / give a fully \
      qualified host name, as smtp.example.net, or localhost
      """,

      """
      5:5: error: outbound.smarthost.password: there is no such key / put the password in a file of its \
      own and name that in password_file
      """),
    FaultRow(
      smarthost("tls: none", "chunking: yes"), without: "outbound",
      "3:3: error: outbound.smarthost.host is missing / add host: a fully qualified host name, as smtp.example.net, or localhost",
      "4:10: error: outbound.smarthost.tls: 'none' is not one of implicit, starttls / give implicit or starttls",
      "5:15: error: outbound.smarthost.chunking: 'yes' is neither true nor false / give true or false"),
    FaultRow(
      smarthost("host: a.example", "port: 587"), without: "outbound",

      """
      5:11: warning: outbound.smarthost.port: servers speak starttls TLS on port 587, and tls is implicit \
      / write tls: starttls, or port: 465
      """),
    FaultRow(smarthost("host: a.example", "port: 587", "tls: starttls"), without: "outbound"),
    FaultRow(
      smarthost("host: a.example", "user: u"), without: "outbound",

      """
      5:5: error: outbound.smarthost: user stands without a password / add password_file or \
      token_command, or take user out
      """),
    FaultRow(
      smarthost("host: a.example", "password_file: p"), without: "outbound",
      "5:5: error: outbound.smarthost: password_file stands without user / add user: with the name to log in with"),
    FaultRow(
      smarthost("host: a.example", "user: u", "password_file: p", "token_command: [token]"), without: "outbound",
      "7:5: error: outbound.smarthost: it has a password_file and a token_command / leave one of them",

      """
      7:21: error: outbound.smarthost.token_command: 'token' is not an absolute path / write the \
      program's whole path, and its arguments as further items
      """),
    FaultRow(
      smarthost("host: a.example", "user: u", "token_command: []"), without: "outbound",

      """
      6:5: error: outbound.smarthost.token_command: the list is empty / give the program's path, and its \
      arguments as further items
      """),
    FaultRow(
      "outbound:\n  route: none\n  sources: [{address: here}]", without: "outbound",

      """
      2:3: error: mail can go nowhere: there are no domains and no outbound route / add domains, or an \
      outbound section with a route
      """,
      """
      3:23: error: outbound.sources[0].address: 'here' is not an IP address / give an address, as 192.0.2.1 \
      or 2001:db8::1
      """),
    FaultRow(
      "outbound:\n  route: mx\n  sources:\n    - address: 192.0.2.1\n    - address: 192.0.2.2", without: "outbound",
      "5:16: error: outbound.sources[1]: a second address of the same family / leave one of IPv4 and one of IPv6"),
    FaultRow(
      "outbound:\n  route: mx\n  tls: {floor: verifed, domains: {example.net: none, bad: encrypt}}",
      without: "outbound",
      "3:16: error: outbound.tls.floor: 'verifed' is not one of opportunistic, encrypt, verified, dane / did you mean 'verified'?",

      """
      3:48: error: outbound.tls.domains.example.net: 'none' is not one of opportunistic, encrypt, verified, dane / \
      give opportunistic, encrypt, verified or dane
      """,
      "3:54: error: outbound.tls.domains: 'bad' is not fully qualified (RFC 5321 §2.3.5) / give a domain, or . and a domain"
    ),
    FaultRow(
      "outbound:\n  route: mx\n  mx: {domains: {a.example: {delivries: 5}, b: {per_minute: 1}, c.example: {per_minute: 0}}}",
      without: "outbound",
      "3:30: error: outbound.mx.domains.a.example.delivries: there is no such key / did you mean 'deliveries'?",
      "3:45: error: outbound.mx.domains: 'b' is not fully qualified (RFC 5321 §2.3.5) / give a domain, or . and a domain",
      """
      3:89: error: outbound.mx.domains.c.example.per_minute: 0 is less than 1 / give a whole number from 1 to 1000000
      """),
    FaultRow(
      "outbound:\n  route: discard\n  mx: {port: 2525}", without: "outbound",
      "3:3: warning: outbound.mx: it has no effect, for the route is discard / write route: mx, or take mx out"),
    FaultRow(
      domain("aliases: {info: anna@example.net}", "postmaster: anna@example.net", "deliver: discard"),
      without: "outbound",

      """
      3:21: error: info@example.com leads to anna@example.net, which is not ours, and there is no \
      outbound route / configure outbound.route, or take the address out
      """,

      """
      4:5: error: postmaster@example.com leads to anna@example.net, which is not ours, and there is no \
      outbound route / configure outbound.route, or take the address out
      """),
    // What is wrong with one domain, or elsewhere, hides nothing of the others, and is blamed on nobody else.
    FaultRow(
      """
      domains:
        example.com:
          recipients: [anna]
          aliases: {info: ana, sales: [bert@example.org, x@nowhere.example]}
          postmaster: anna
          deliver: discard
        example.org:
          recipients: [bert]
          deliver: discard
      outbound:
        route: pigeon
      """, without: "outbound",

      """
      4:21: error: info@example.com leads to ana@example.com, and no recipient or alias has that name / \
      did you mean 'anna'?
      """,

      """
      7:3: error: domains.example.org: nobody reads the postmaster's mail (RFC 5321 §4.5.1) / add \
      postmaster: with the address of a person
      """,
      "11:10: error: outbound.route: 'pigeon' is not one of mx, smarthost, none, discard, maildir / give mx, smarthost, none, "
        + "discard or maildir"),
    FaultRow(
      """
      domains:
        example.com:
          recipients: [anna]
          aliases: {sales: [bert@example.org, x@nowhere.example]}
          postmaster: anna
          deliver: discard
        example.org:
          recipients: [bert]
          deliver: discard
      """, without: "outbound",

      """
      4:41: error: sales@example.com leads to x@nowhere.example, which is not ours, and there is no \
      outbound route / configure outbound.route, or take the address out
      """,

      """
      7:3: error: domains.example.org: nobody reads the postmaster's mail (RFC 5321 §4.5.1) / add \
      postmaster: with the address of a person
      """),
  ]
}
