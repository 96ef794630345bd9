public import MailSyntax

extension MailClock {
  /// What `work` gives; nil where it takes longer than `time`, and then it is cancelled.
  public func within<Value: Sendable>(
    _ time: Duration, _ work: @escaping @Sendable () async -> Value
  ) async -> Value? {
    let deadline = uptime + time
    return await withTaskGroup(of: Value?.self) { group in
      group.addTask { await work() }
      group.addTask {
        await self.sleep(until: deadline)
        return nil
      }
      defer { group.cancelAll() }
      return await group.next().flatMap { $0 }
    }
  }
}
