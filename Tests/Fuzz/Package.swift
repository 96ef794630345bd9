// swift-tools-version: 6.2
import PackageDescription

// A package of its own: `Tests/Fuzz/run` builds it with libFuzzer's instrumentation. The same targets without it are the
// package martlet's FuzzTests, which play the examples in Corpus.

let package = Package(
  name: "fuzz",
  dependencies: [.package(name: "martlet", path: "../..")],
  targets: [
    .executableTarget(
      name: "MailFuzz",
      dependencies: [.product(name: "MailAuthentication", package: "martlet")],
      path: "Sources",
      exclude: ["FuzzTests"],
      swiftSettings: [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
      ])
  ],
  swiftLanguageModes: [.v6]
)
