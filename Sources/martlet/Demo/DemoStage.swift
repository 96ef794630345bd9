import Diagnosis

/// The demonstration's internet while it stands: the DNS, the policy hosts, and the attackers.
struct DemoStage: Sendable {
  let names: DemoNames
  let policyHost: DemoPolicyHost
  let attackers: [DemoDestination: AttackProxy]

  /// Opens all of it for the time of `body`, whatever becomes of that.
  static func whileOpen<Value: Sendable>(
    _ internet: DemoInternet, in folder: String, servesNames: Bool, _ body: (DemoStage) async throws -> Value
  ) async throws -> Value {
    let names = try await DemoNames.open(try internet.zones(), in: folder, serves: servesNames)
    return try await closing(names, with: { await $0.close() }) { names in
      try await closing(try await internet.openPolicyHost(), with: { await $0.stop() }) { policyHost in
        let attackers = try await internet.openAttackers()
        return try await closing(attackers, with: { for proxy in $0.values { await proxy.close() } }) { attackers in
          try await body(DemoStage(names: names, policyHost: policyHost, attackers: attackers))
        }
      }
    }
  }

  private static func closing<Place: Sendable, Value: Sendable>(
    _ place: Place, with close: (Place) async -> Void, _ body: (Place) async throws -> Value
  ) async throws -> Value {
    do {
      let value = try await body(place)
      await close(place)
      return value
    } catch {
      await close(place)
      throw error
    }
  }
}
