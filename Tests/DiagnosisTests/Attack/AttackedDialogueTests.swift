import MailSyntax
import NIOCore
import Testing

@testable import Diagnosis

@Suite("What the man in the middle makes of a dialogue")
struct AttackedDialogueTests {
  private struct Played: Equatable {
    var toClient = "", toServer = ""
    var startsTLS = 0
    var isClosed = false
    var seen = AttackRecord()
  }

  /// Plays a dialogue, each entry cut into pieces of `size` octets. Pieces that were to be split are counted as whole.
  private func play(_ attack: Attack, _ script: [(isServer: Bool, text: String)], pieces size: Int = .max) -> Played {
    var dialogue = AttackedDialogue(attack)
    var played = Played()
    for entry in script {
      var octets = ByteBuffer(string: entry.text)
      while let piece = octets.readSlice(length: min(size, octets.readableBytes)), piece.readableBytes > 0 {
        for step in entry.isServer ? dialogue.serverSaid(piece) : dialogue.clientSaid(piece) {
          switch step {
          case .toClient(let bytes, _): played.toClient += String(buffer: bytes)
          case .toServer(let bytes): played.toServer += String(buffer: bytes)
          case .startTLSWithClient, .startTLSWithServer: played.startsTLS += 1
          case .close: played.isClosed = true
          }
        }
      }
    }
    played.seen = dialogue.takeSeen()
    return played
  }

  private func server(_ text: String) -> (isServer: Bool, text: String) { (true, text) }
  private func client(_ text: String) -> (isServer: Bool, text: String) { (false, text) }

  @Test("the line STARTTLS is cut out wherever it stands, however the answer is cut into segments")
  func cut() {
    let rows = [
      ("250-mx\r\n250-STARTTLS\r\n250 SIZE 1\r\n", "250-mx\r\n250 SIZE 1\r\n"),
      ("250-mx\r\n250-SIZE 1\r\n250 STARTTLS\r\n", "250-mx\r\n250 SIZE 1\r\n"),
      ("250-mx\r\n250-starttls\r\n250 STARTTLS\r\n", "250 mx\r\n"),
      ("250-mx\r\n250 XSTARTTLS\r\n", "250-mx\r\n250 XSTARTTLS\r\n"),
      ("250 mx\r\n", "250 mx\r\n"),
      ("502 no\r\n", "502 no\r\n"),
    ]
    for (reply, expected) in rows {
      for size in 1...reply.utf8.count {
        let played = play(
          .stripSTARTTLS(), [server("220 mx\r\n"), client("EHLO me\r\n"), server(reply)], pieces: size)
        #expect(played.toClient == "220 mx\r\n" + expected)
        #expect(played.toServer == "EHLO me\r\n")
        #expect(played.seen.strikes == (reply == expected ? 0 : 1))
      }
    }
  }

  @Test("a reply in the server's place comes in its turn, behind those that the client waits for already")
  func turns() {
    let script = [
      server("220 mx\r\n"), client("NOOP\r\nEHLO me\r\nSTARTTLS\r\n"), server("250 noop\r\n"), client("HELO me\r\n"),
      server("250 mx\r\n"),
    ]
    for size in [1, 2, 7, .max] {
      let played = play(.refuseEHLO, script, pieces: size)
      #expect(
        played.toClient
          == "220 mx\r\n250 noop\r\n500 5.5.1 Command unrecognized\r\n502 5.5.1 Command not implemented\r\n250 mx\r\n")
      #expect(played.toServer == "NOOP\r\nHELO me\r\n")
      #expect(played.seen.strikes == 2)
    }
    let refused = play(.refuseSTARTTLS, [server("220 mx\r\n"), client("STARTTLS\r\n")])
    #expect(refused.toClient.hasSuffix("454 4.7.0 TLS not available due to temporary reason\r\n"))
    #expect(refused.toServer.isEmpty)
  }

  @Test("what is in clear is seen: envelope, password, and each octet of a message by DATA or BDAT")
  func sight() {
    let script = [
      server("220 mx\r\n"), client("EHLO me\r\n"), server("250 mx\r\n"), client("AUTH LOGIN\r\n"),
      server("334 VXNlcg==\r\n"), client("dXNlcg==\r\n"), server("334 UGFzcw==\r\n"), client("cGFzcw==\r\n"),
      server("235 ok\r\n"), client("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
      server("250 ok\r\n250 ok\r\n354 go\r\n"), client("MAIL FROM:<x>\r\n..\r\n.\r\nMAIL FROM:<>\r\n"),
      server("250 ok\r\n250 ok\r\n"), client("BDAT 4\r\n.\r\nXBDAT 2 LAST\r\nhi"), server("250 ok\r\n250 ok\r\n"),
      client("AUTH PLAIN AGEAYg==\r\n"), server("235 ok\r\n"), client("AUTH PLAIN\r\n"), server("334 \r\n"),
      client("*\r\n"), server("501 broken off\r\n"), client("QUIT\r\n"), server("221 bye\r\n"),
    ]
    for size in [1, 2, 3, 5, .max] {
      let played = play(.none, script, pieces: size)
      #expect(played.toServer == script.filter { !$0.isServer }.map(\.text).joined())
      #expect(played.toClient == script.filter(\.isServer).map(\.text).joined())
      #expect(played.seen.envelopeCommands == 3)
      #expect(played.seen.credentials == 3)
      #expect(played.seen.bodyOctets == "MAIL FROM:<x>\r\n..\r\n".utf8.count + 6)
    }
  }

  @Test("behind a true 220 nothing can be read; what is injected stands right behind it")
  func injection() {
    let script = [
      server("220 mx\r\n"), client("EHLO me\r\n"), server("250-mx\r\n250 STARTTLS\r\n"), client("STARTTLS\r\n"),
      server("220 go\r\n"), client("MAIL FROM:<a@b>\r\n"), server("\u{16}"),
    ]
    for size in [1, 3, .max] {
      let injected = play(.injectBehind220("250 x\r\n25"), script, pieces: size)
      #expect(injected.toClient.hasSuffix("220 go\r\n250 x\r\n25\u{16}"))
      #expect(injected.seen.envelopeCommands == 0)
      #expect(injected.seen.strikes == 1)
      let heard = play(.none, script, pieces: size)
      #expect(heard.toClient.hasSuffix("220 go\r\n\u{16}"))
      #expect(!heard.seen.hasSeenMail)
    }
  }

  @Test("no line, reply or queue of commands grows beyond its bound")
  func bounds() {
    let long = String(repeating: "x", count: AttackBounds.replyOctets + 1)
    #expect(play(.none, [client(long)], pieces: 1_000).isClosed)
    #expect(play(.none, [server(long)], pieces: 1_000).isClosed)
    #expect(play(.none, [client(String(repeating: "NOOP\r\n", count: 2_000))]).isClosed)
    #expect(!play(.none, [client(String(repeating: "NOOP\r\n", count: 900))]).isClosed)
  }
}
