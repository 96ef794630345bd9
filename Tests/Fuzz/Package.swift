// swift-tools-version: 6.2
import PackageDescription

// A package of its own: what stands here is built with libFuzzer's instrumentation, by `Tests/Fuzz/run` alone.

let package = Package(
  name: "fuzz",
  dependencies: [.package(name: "martlet", path: "../..")],
  targets: [
    .executableTarget(
      name: "MailFuzz",
      dependencies: [.product(name: "MailAuthentication", package: "martlet")],
      swiftSettings: [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
      ])
  ],
  swiftLanguageModes: [.v6]
)
