import MailAuthentication
import MailSyntax
import Testing

/// The signatures that stand in RFCs.
@Suite("DKIM signatures of RFCs")
struct DKIMVectorTests {
  /// RFC 8463 Appendix A.
  static let game = """
    DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
     d=football.example.com; i=@football.example.com;
     q=dns/txt; s=brisbane; t=1528637909; h=from : to :
     subject : date : message-id : from : subject : date;
     bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
     b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
     Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
    DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
     d=football.example.com; i=@football.example.com;
     q=dns/txt; s=test; t=1528637909; h=from : to : subject :
     date : message-id : from : subject : date;
     bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
     b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
     DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
     dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
    From: Joe SixPack <joe@football.example.com>
    To: Suzie Q <suzie@shopping.example.net>
    Subject: Is dinner ready?
    Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
    Message-ID: <20030712040037.46341.5F8J@football.example.com>

    Hi.

    We lost the game.  Are you hungry yet?

    Joe.

    """
  static let zone = """
    brisbane._domainkey.football.example.com TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    test._domainkey.football.example.com TXT "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3id" "Y6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
    """

  @Test(
    "DKIM-001, DKIM-002, DKIM-003, DKIM-004: both signatures of RFC 8463 Appendix A verify, however the body comes",
    arguments: [1, 2, 7, 1 << 20])
  func rfc8463(_ piece: Int) async throws {
    let outcomes = try await SampleMessage(DKIMVectorTests.game).outcomes(DKIMVectorTests.zone, piece: piece)
    #expect(outcomes.map(\.result) == [.pass, .pass], "\(outcomes.map(\.reason))")
    #expect(outcomes.map(\.keyBits) == [256, 1_024] && outcomes.map(\.place) == [0, 1])
    #expect(outcomes[0].signature?.algorithm == .ed25519SHA256 && outcomes[1].signature?.algorithm == .rsaSHA256)
    #expect(outcomes[0].signature?.mark == "/gCrinpc")
  }

  /// RFC 6376 Appendix A.2, with the body's line and the indentation as errata 3192 and 4926 have them.
  static let dinner = """
    DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
          c=simple/simple; q=dns/txt; i=joe@football.example.com;
          h=Received : From : To : Subject : Date : Message-ID;
          bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
          b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
          4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
          KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
          4bmp/YzhwvcubU4=;
    Received: from client1.football.example.com  [192.0.2.1]
          by submitserver.example.com with SUBMISSION;
          Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
    From: Joe SixPack <joe@football.example.com>
    To: Suzie Q <suzie@shopping.example.net>
    Subject: Is dinner ready?
    Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
    Message-ID: <20030712040037.46341.5F8J@football.example.com>

    Hi.

    We lost the game. Are you hungry yet?

    Joe.
    """

  @Test("DKIM-001, DKIM-004: the signature of RFC 6376 Appendix A verifies, simple in header and body")
  func rfc6376() async throws {
    let zone = """
      brisbane._domainkey.example.com TXT "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeL" "nQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
      """
    let outcomes = try await SampleMessage(DKIMVectorTests.dinner).outcomes(zone)
    #expect(outcomes.map(\.result) == [.pass], "\(outcomes.map(\.reason))")
    #expect(outcomes.first?.signature?.identity == "joe@football.example.com")
  }

  @Test(
    "whatever of it changes breaks both",
    arguments: [
      ("Is dinner ready?", "Is dinner ready!"), ("We lost", "We won"), ("Joe SixPack", "Joe  Six Pack"),
      ("Date: Fri, 11", "Date: Sat, 12"), ("t=1528637909", "t=1528637908"), ("Joe.\n", "Joe.\nP.S."),
      ("From: Joe", "From: Jim <jim@football.example.com>\nFrom: Joe"), ("Subject: Is", "Subject: Buy\nSubject: Is"),
      ("Is dinner", "Is\r dinner"),
    ])
  func changes(_ from: String, _ to: String) async throws {
    let text = DKIMVectorTests.game.replacing(from, with: to)
    #expect(text != DKIMVectorTests.game)
    #expect(try await SampleMessage(text).outcomes(DKIMVectorTests.zone).map(\.result) == [.fail, .fail])
  }

  @Test(
    "what relaxed canonicalization lets change breaks neither",
    arguments: [
      ("Subject: Is dinner", "SUBJECT:   Is \n\t dinner"), ("the game.  Are", "the game. \t Are"),
      ("hungry yet?", "hungry yet?  "),
      ("Joe.\n", "Joe.\n\n\n"), ("From: Joe", "X-New: field\nFrom: Joe"),
      // Signed once and no more: others may be added below what counts.
      ("From: Joe", "To: all\nFrom: Joe"),
    ])
  func freedom(_ from: String, _ to: String) async throws {
    let text = DKIMVectorTests.game.replacing(from, with: to)
    #expect(text != DKIMVectorTests.game)
    #expect(try await SampleMessage(text).outcomes(DKIMVectorTests.zone).map(\.result) == [.pass, .pass])
  }
}
