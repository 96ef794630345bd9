// swift-tools-version: 6.2
import PackageDescription

// The house of Documentation/Architecture.md: a target may use only targets on floors below its own, or the ones named
// beside it. Tests/ArchitectureTests reads the imports and enforces it.

let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("InferIsolatedConformances"),
]

/// `MARTLET_WARNINGS_AS_ERRORS=1`, which the Makefile sets, keeps our own build free of warnings without breaking a
/// packager whose compiler is newer than ours.
let warnings: [SwiftSetting] =
  Context.environment["MARTLET_WARNINGS_AS_ERRORS"] == "1"
  ? [.treatAllWarnings(as: .error), .treatWarning("DeprecatedDeclaration", as: .warning)] : []

let settings = strict + warnings

func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let nioFoundation: Target.Dependency = .product(name: "NIOFoundationCompat", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let x509: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let asn1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let deques: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let heaps: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")
let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let orderedCollections: Target.Dependency = .product(name: "OrderedCollections", package: "swift-collections")

let package = Package(
  name: "martlet",
  products: [
    .executable(name: "martlet", targets: ["martlet"]),
    .library(name: "MailAuthentication", targets: ["MailAuthentication"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.0"),
    .package(url: "https://github.com/apple/swift-certificates.git", from: "1.21.0"),
    .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.0"),
    .package(url: "https://github.com/apple/swift-asn1.git", from: "1.7.0"),
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-system.git", from: "1.5.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess.git", from: "1.0.0"),
    .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.0"),
  ],
  targets: [
    // Floor 0: values.
    room("MailSyntax"),
    room("DNSRecords", ["MailSyntax"]),

    // Floor 1: languages.
    room("SMTPGrammar", ["MailSyntax", nioCore]),
    room("SASLMechanisms", ["MailSyntax", crypto]),
    room("MailMessage", ["MailSyntax", nioCore]),
    room("TransportSecurity", ["DNSRecords", "MailSyntax", crypto]),
    room("MailAuthentication", ["DNSRecords", "MailMessage", "MailSyntax", nioCore, crypto, cryptoExtras]),

    // Floor 2: machines.
    room(
      "SMTPSessions",
      ["MailMessage", "MailSyntax", "SASLMechanisms", "SMTPGrammar", "TransportSecurity", nioCore, deques]),
    room("MailQueue", ["MailSyntax", "SMTPGrammar", nioCore]),

    // Floor 3: conduct.
    room("Accounts", ["MailQueue", "MailSyntax", "SASLMechanisms", crypto, deques, orderedCollections]),
    room(
      "Relay",
      [
        "Accounts", "DNSRecords", "MailAuthentication", "MailMessage", "MailQueue", "MailSyntax", "SASLMechanisms",
        "SMTPGrammar", "SMTPSessions", "TransportSecurity", nioCore, deques, heaps, orderedCollections,
      ]),

    room("Metrics", ["MailQueue", "MailSyntax", orderedCollections]),

    // Floor 4: edges.
    room(
      "SMTPTransport",
      [
        "DNSRecords", "MailSyntax", "SMTPSessions", "TransportSecurity", nioCore, nioPosix, nioTLS, nioSSL, x509, asn1,
        crypto,
      ]),
    room(
      "PolicyTransport",
      [
        "DNSRecords", "MailSyntax", "Relay", "SMTPSessions", "SMTPTransport", "TransportSecurity", nioCore, nioPosix,
        nioHTTP1, nioTLS, nioSSL, deques,
      ]),
    room("Certificates", ["MailSyntax", x509, asn1, crypto]),
    room("QueueStorage", ["CCRC32C", "MailQueue", "MailSyntax", "SMTPGrammar", nioCore, nioPosix, grdb, deques]),
    room(
      "PolicyStorage", ["MailQueue", "MailSyntax", "QueueStorage", "Relay", "TransportSecurity", nioPosix, grdb]),
    room("LocalDelivery", ["MailMessage", "MailQueue", "MailSyntax", "Relay", "SMTPSessions", nioCore, nioPosix]),
    .systemLibrary(name: "CArgon2"),
    .systemLibrary(name: "CIDN2"),
    .systemLibrary(name: "CUnbound"),
    .target(name: "CCRC32C"),
    room("PasswordHashing", ["Accounts", "CArgon2", "MailSyntax", nioPosix]),
    room("DNSTransport", ["CUnbound", "DNSRecords", "MailSyntax", deques]),
    room("InternationalDomainNames", ["CIDN2", "MailSyntax"]),
    room(
      "Configuration",
      [
        "DNSRecords", "MailAuthentication", "MailQueue", "MailSyntax", "Relay", "SMTPSessions", "TransportSecurity",
        yams,
      ]),
    room(
      "ControlPlane",
      [
        "MailQueue", "MailSyntax", "Relay", "SMTPGrammar", "SMTPSessions", "TransportSecurity", nioCore, nioPosix,
        nioFoundation, deques, orderedCollections,
      ]),
    room(
      "Diagnosis",
      [
        "DNSRecords", "MailMessage", "MailSyntax", "Relay", "SMTPGrammar", "SMTPSessions", "TransportSecurity", nioCore,
        nioPosix, nioTLS, nioSSL,
      ]),
    room("SystemWorld", ["MailQueue", "MailSyntax", "Relay", nioCore]),

    // Floor 5: doors.
    .executableTarget(
      name: "martlet",
      dependencies: [
        "Accounts", "Certificates", "Configuration", "ControlPlane", "DNSRecords", "DNSTransport", "Diagnosis",
        "InternationalDomainNames", "LocalDelivery", "MailAuthentication", "MailMessage", "MailQueue",
        "MailSyntax", "Metrics", "PasswordHashing", "PolicyStorage", "PolicyTransport", "QueueStorage", "Relay",
        "SASLMechanisms", "SMTPGrammar",
        "SMTPSessions", "SMTPTransport", "SystemWorld", "TransportSecurity", argumentParser, nioCore, nioHTTP1,
        subprocess, systemPackage,
        nioPosix,
        nioSSL, orderedCollections,
      ],
      swiftSettings: settings),

    // Not for anybody's use: the speed of DKIM beside what it is made of, for `make bench`.
    .executableTarget(
      name: "AuthenticationSpeed",
      dependencies: [
        "DNSRecords", "MailAuthentication", "MailMessage", "MailSyntax", nioCore, crypto, cryptoExtras,
      ],
      path: "Benchmarks/AuthenticationSpeed", swiftSettings: settings),

    // The same relay under a virtual clock, network and store.
    room("QueueModel", ["MailQueue", "MailSyntax", "Relay", "SMTPGrammar", "TransportSecurity", nioCore]),
    room(
      "Simulation",
      [
        "Accounts", "DNSRecords", "MailMessage", "MailQueue", "MailSyntax", "QueueModel", "Relay", "SASLMechanisms",
        "SMTPGrammar",
        "SMTPSessions", "TransportSecurity", nioCore, orderedCollections,
      ]),

    tests("ArchitectureTests", [subprocess]),
    tests("MailSyntaxTests", ["MailSyntax"]),
    tests("DNSRecordsTests", ["DNSRecords", "MailSyntax"]),
    tests("DNSTransportTests", ["DNSRecords", "DNSTransport", "MailSyntax"]),
    tests("InternationalDomainNamesTests", ["InternationalDomainNames", "MailSyntax"]),
    tests("SMTPGrammarTests", ["MailSyntax", "SMTPGrammar", nioCore]),
    tests("SASLMechanismsTests", ["MailSyntax", "SASLMechanisms"]),
    tests("MailMessageTests", ["MailMessage", "MailSyntax", nioCore]),
    tests(
      "MailAuthenticationTests",
      ["DNSRecords", "MailAuthentication", "MailMessage", "MailSyntax", nioCore, crypto, cryptoExtras]),
    tests("TransportSecurityTests", ["DNSRecords", "MailSyntax", "TransportSecurity"]),
    tests(
      "SMTPSessionsTests",
      [
        "MailSyntax", "SASLMechanisms", "SMTPGrammar", "SMTPSessions", "TransportSecurity", nioCore,
        subprocess,
      ]),
    .testTarget(
      name: "FuzzTests",
      dependencies: ["DNSRecords", "MailAuthentication", "MailMessage", "MailSyntax", nioCore],
      path: "Tests/Fuzz/Sources", exclude: ["MailFuzz"], swiftSettings: settings),
    tests("MailQueueTests", ["MailQueue", "MailSyntax", "SMTPGrammar", nioCore]),
    tests("AccountsTests", ["Accounts", "MailQueue", "MailSyntax", "SASLMechanisms"]),
    tests(
      "RelayTests",
      [
        "Accounts", "DNSRecords", "MailAuthentication", "MailMessage", "MailQueue", "MailSyntax", "QueueModel", "Relay",
        "SASLMechanisms", "SMTPGrammar",
        "SMTPSessions", "Simulation", "TransportSecurity", nioCore, orderedCollections,
      ]),
    tests("MetricsTests", ["MailQueue", "MailSyntax", "Metrics"]),
    tests("SimulationTests", ["MailQueue", "MailSyntax", "Relay", "Simulation", subprocess]),
    tests(
      "SMTPTransportTests",
      [
        "Certificates", "DNSRecords", "MailSyntax", "SMTPSessions", "SMTPTransport", "TransportSecurity", nioCore,
        nioPosix, nioEmbedded, nioSSL, subprocess, x509, asn1, crypto,
      ]),
    tests(
      "PolicyTransportTests",
      [
        "Certificates", "DNSRecords", "MailSyntax", "PolicyTransport", "Relay", "SMTPSessions", "SMTPTransport",
        "TransportSecurity", nioCore, nioPosix, nioTLS, nioSSL,
      ]),
    tests("CertificatesTests", ["Certificates", "MailSyntax", subprocess, x509, asn1, crypto]),
    tests(
      "QueueStorageTests", ["MailQueue", "MailSyntax", "QueueModel", "QueueStorage", "SMTPGrammar", nioCore, grdb]),
    tests(
      "PolicyStorageTests",
      ["MailQueue", "MailSyntax", "PolicyStorage", "QueueModel", "QueueStorage", "Relay", "TransportSecurity", grdb]),
    tests(
      "LocalDeliveryTests", ["LocalDelivery", "MailQueue", "MailSyntax", "Relay", "SMTPGrammar", nioCore, nioPosix]),
    tests(
      "DiagnosisTests",
      [
        "Certificates", "DNSRecords", "Diagnosis", "MailMessage", "MailSyntax", "Relay", "SMTPSessions",
        "TransportSecurity", nioCore, nioPosix, nioSSL,
      ]),
    tests("PasswordHashingTests", ["Accounts", "MailSyntax", "PasswordHashing", nioPosix]),
    tests(
      "ConfigurationTests",
      [
        "Accounts", "Configuration", "DNSRecords", "MailAuthentication", "MailQueue", "MailSyntax", "Relay",
        "SMTPSessions", "TransportSecurity",
      ]),
    tests(
      "ControlPlaneTests",
      [
        "ControlPlane", "MailQueue", "MailSyntax", "QueueModel", "Relay", "SMTPGrammar", "SMTPSessions",
        "TransportSecurity", nioCore, nioPosix, orderedCollections,
      ]),
    tests(
      "MartletTests",
      [
        "martlet", "Accounts", "Certificates", "Configuration", "ControlPlane", "DNSRecords", "DNSTransport",
        "Diagnosis", "MailAuthentication", "MailMessage", "MailQueue",
        "MailSyntax", "Metrics", "PasswordHashing", "PolicyStorage", "QueueStorage", "Relay", "SASLMechanisms",
        "SMTPGrammar",
        "SMTPSessions", "SMTPTransport", "SystemWorld", "TransportSecurity", argumentParser, nioCore, nioPosix,
        nioSSL, orderedCollections,
      ]),
  ],
  swiftLanguageModes: [.v6]
)
