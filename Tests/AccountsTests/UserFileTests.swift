import MailQueue
import MailSyntax
import SASLMechanisms
import Testing

@testable import Accounts

@Suite("the file of users")
struct UserFileTests {
  private let keys = SCRAMKeys.derive(password: Secret("pencil"), salt: Array(1...16), iterations: 4096)

  private func directory() throws -> UserDirectory {
    var app = try makeUser(
      "app@example.org", hash: "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXP", keys: keys,
      senders: ["@example.org", "\"a b\"@example.net", "*"],
      quota: QuotaLimits(messagesPerHour: 10, recipientsPerDay: 0), isDisabled: true)
    app.priority = .interactive
    app.tenant = "shop"
    return try UserDirectory([app, try makeUser("Ärger/\"1\"", senders: [])])
  }

  @Test("what is written reads back the same, and is the same each time")
  func roundTrip() throws {
    let bytes = UserFile.encode(try directory())
    let read = try UserFile.decode(bytes)
    #expect(UserFile.encode(read) == bytes)
    let app = try #require(read.user(named: "APP@example.org"))
    #expect(app.priority == .interactive && app.tenant == "shop" && app.isDisabled)
    #expect(app.quota == QuotaLimits(messagesPerHour: 10, recipientsPerDay: 0))
    #expect(app.senders.patterns.map(\.description) == ["@example.org", "\"a b\"@example.net", "*"])
    #expect(app.scramKeys?.encoded == keys.encoded && app.passwordHash.encoded.hasPrefix("$argon2id$v=19$m=64"))
    let other = try #require(read.user(named: "Ärger/\"1\""))
    #expect(other.scramKeys == nil && !other.isDisabled && other.tenant == nil && other.senders.patterns.isEmpty)
    #expect(UserFile.encode(.empty) == UserFile.encode(try UserFile.decode(UserFile.encode(.empty))))
  }

  @Test("the file looks as it is documented")
  func golden() throws {
    var user = try makeUser("app@example.org", hash: "$argon2id$x/y", senders: ["@example.org"])
    user.quota.messagesPerHour = 1000
    let text = String(decoding: UserFile.encode(try UserDirectory([user])), as: UTF8.self)
    #expect(
      text == """
        {
          "users" : [
            {
              "limits" : {
                "messages_per_hour" : 1000
              },
              "name" : "app@example.org",
              "password_hash" : "$argon2id$x/y",
              "priority" : "normal",
              "senders" : [
                "@example.org"
              ]
            }
          ],
          "version" : 1
        }

        """)
  }

  @Test(
    "an error names the user and the field",
    arguments: [
      (#"{"name":"b","senders":[]}"#, #"user "b": "password_hash" is missing"#),
      (#"{"password_hash":"h","senders":[]}"#, #"user "number 2": "name" is missing"#),
      (#"{"name":"b","password_hash":"h"}"#, #"user "b": "senders" is missing"#),
      (#"{"name":"b","password_hash":"h","senders":"*"}"#, #"user "b": "senders" is of the wrong type"#),
      (#"{"name":"b","password_hash":null,"senders":[]}"#, #"user "b": "password_hash" may not be null"#),
      (#"{"name":"b","password_hash":"","senders":[]}"#, #"user "b": "password_hash" is no encoded hash"#),
      (#"{"name":"b","password_hash":"h","senders":["x"]}"#, #"user "b": "senders" can't stand: "x" is no sender"#),
      (#"{"name":"","password_hash":"h","senders":[]}"#, #"user "": "name" can't stand: a user name is 1 to 255"#),
      (#"{"name":"A","password_hash":"h","senders":[]}"#, #"there is a user "A" already"#),
      (
        #"{"name":"b","password_hash":"h","senders":[],"priority":"high"}"#,
        #"user "b": "priority" is not interactive, normal, bulk"#
      ),
      (#"{"name":"b","password_hash":"h","senders":[],"scram":"x"}"#, #"user "b": "scram" is not SCRAM-SHA-256$"#),
      (
        #"{"name":"b","password_hash":"h","senders":[],"disable":true}"#,
        #"user "b": "disable" is no key of this file; there are disabled,"#
      ),
      (
        #"{"name":"b","password_hash":"h","senders":[],"disabled":"yes"}"#,
        #"user "b": "disabled" is of the wrong type"#
      ),
      (
        #"{"name":"b","password_hash":"h","senders":[],"limits":{"messages_per_hour":-1}}"#,
        #"user "b": "limits" may not be negative"#
      ),
      (
        #"{"name":"b","password_hash":"h","senders":[],"limits":{"messages_per_hour":"1"}}"#,
        #"user "b": "limits.messages_per_hour" is of the wrong type"#
      ),
      (
        #"{"name":"b","password_hash":"h","senders":[],"limits":{"per_week":1}}"#,
        #"user "b": "limits.per_week" is no key"#
      ),
      (#"7"#, #"user "number 2": "" is of the wrong type"#),
    ])
  func faults(record: String, message: String) {
    let text = #"{"version":1,"users":[{"name":"a","password_hash":"h","senders":[]},"# + record + "]}"
    let error = #expect(throws: UserFileError.self) { try UserFile.decode(Array(text.utf8)) }
    #expect(error?.description.hasPrefix(message) == true, "\(String(describing: error))")
  }

  @Test(
    "a file that isn't one, or is of another version, is refused whole",
    arguments: [
      ("", UserFileError.notJSON), ("{", .notJSON), ("[]", .file(field: "users", problem: "is of the wrong type")),
      ("{}", .file(field: "version", problem: "is missing")),
      (#"{"version":2,"people":[]}"#, .unsupportedVersion(2)),
      (#"{"version":1}"#, .file(field: "users", problem: "is missing")),
      (
        #"{"version":1,"users":[],"extra":1}"#,
        .file(field: "extra", problem: "is no key of this file; there are users, version")
      ),
    ])
  func badFiles(text: String, error: UserFileError) {
    #expect(throws: error) { try UserFile.decode(Array(text.utf8)) }
  }

  @Test("every truncation of a file is refused and none traps")
  func truncated() throws {
    let bytes = UserFile.encode(try directory())
    for length in 0..<(bytes.count - 2) {
      #expect(throws: UserFileError.notJSON) { try UserFile.decode(Array(bytes.prefix(length))) }
    }
  }

  @Test("too large a file isn't even looked at")
  func tooLarge() {
    #expect(throws: UserFileError.tooLarge) {
      try UserFile.decode([UInt8](repeating: 0x20, count: UserFile.maximumOctets + 1))
    }
  }

  @Test(
    "SCRAM keys in another form, too short, or of too few iterations are none",
    arguments: [
      "", "SCRAM-SHA-1$4096:AQ==$A:B", "SCRAM-SHA-256$4095:AQID$@:@", "SCRAM-SHA-256$600001:AQID$@:@",
      "SCRAM-SHA-256$+4096:AQID$@:@", "SCRAM-SHA-256$4096:$@:@", "SCRAM-SHA-256$4096:AQID$AQID:@",
      "SCRAM-SHA-256$4096:AQID$@:@:@", "SCRAM-SHA-256$4096:AQID$@:@$", "SCRAM-SHA-256$4096$@:@",
    ])
  func badKeys(text: String) {
    let key = String(decoding: SASLBase64.encode([UInt8](repeating: 1, count: 32)), as: UTF8.self)
    #expect(SCRAMKeys(encoded: "SCRAM-SHA-256$4096:AQID$\(key):\(key)") != nil)
    #expect(SCRAMKeys(encoded: text.replacing("@", with: key)) == nil)
  }
}
