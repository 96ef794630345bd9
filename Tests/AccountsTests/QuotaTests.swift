import MailSyntax
import Testing

@testable import Accounts

@Suite("quotas")
struct QuotaTests {
  @Test("the limit itself is allowed, one more isn't, and nothing is charged for what was refused")
  func limit() {
    var quota = Quota()
    let limits = QuotaLimits(messagesPerHour: 3, recipientsPerHour: 5)
    for _ in 0..<3 { #expect(quota.charge(messages: 1, recipients: 1, limits: limits, at: seconds(10)) == .allowed) }
    guard
      case .exceeded(.messagesPerHour, 3, let wait) = quota.charge(
        messages: 1, recipients: 1, limits: limits, at: seconds(10))
    else {
      Issue.record("not exceeded")
      return
    }
    #expect(wait > .zero && wait <= .seconds(3900))
    // The refused recipient was not charged: two are left.
    #expect(quota.charge(recipients: 2, limits: limits, at: seconds(10)) == .allowed)
    #expect(quota.charge(recipients: 1, limits: limits, at: seconds(10)) != .allowed)
  }

  @Test("after the time it names, what was refused is allowed, and a second earlier it isn't")
  func retryAfter() {
    let limits = QuotaLimits(recipientsPerHour: 10)
    var quota = Quota()
    #expect(quota.charge(recipients: 4, limits: limits, at: seconds(100)) == .allowed)
    #expect(quota.charge(recipients: 6, limits: limits, at: seconds(1000)) == .allowed)
    for (more, bucketEnd) in [(4, Int64(300 * 13)), (5, 300 * 16), (10, 300 * 16)] {
      guard case .exceeded(_, _, let wait) = quota.charge(recipients: more, limits: limits, at: seconds(1200)) else {
        Issue.record("not exceeded")
        return
      }
      #expect(wait == .seconds(bucketEnd - 1200), "\(more)")
      var early = quota
      #expect(early.charge(recipients: more, limits: limits, at: seconds(bucketEnd - 1)) != .allowed)
      var late = quota
      #expect(late.charge(recipients: more, limits: limits, at: seconds(bucketEnd)) == .allowed)
    }
  }

  @Test("more at once than the limit is never allowed")
  func tooMuchAtOnce() {
    var quota = Quota()
    #expect(
      quota.charge(recipients: 11, limits: QuotaLimits(recipientsPerDay: 10), at: seconds(0))
        == .exceeded(.recipientsPerDay, limit: 10, retryAfter: .seconds(25 * 3600)))
  }

  @Test("no hour and no day ever holds more than its limit, for any pattern of sending")
  func property() {
    var random = Seeded(state: 7)
    for _ in 0..<20 {
      var quota = Quota()
      let limits = QuotaLimits(messagesPerHour: 20, messagesPerDay: 60)
      var now: Int64 = 0
      var allowed: [Int64] = []
      for _ in 0..<2000 {
        now += Int64.random(in: 0...400, using: &random)
        guard quota.charge(messages: 1, limits: limits, at: seconds(now)) == .allowed else { continue }
        allowed.append(now)
        #expect(allowed.filter { $0 > now - 3600 }.count <= 20)
        #expect(allowed.filter { $0 > now - 86_400 }.count <= 60)
      }
      #expect(allowed.count > 200, "the quota lets nobody send")
    }
  }

  @Test("without limits all is allowed, and a charge of nothing is allowed over any limit")
  func unlimited() {
    var quota = Quota()
    for _ in 0..<100 { #expect(quota.charge(messages: 1_000_000, limits: QuotaLimits(), at: seconds(0)) == .allowed) }
    #expect(quota.charge(limits: QuotaLimits(messagesPerHour: 0), at: seconds(0)) == .allowed)
    #expect(quota.charge(messages: 1, limits: QuotaLimits(messagesPerHour: 0), at: seconds(0)) != .allowed)
    #expect(quota.charge(messages: .max, recipients: .max, limits: QuotaLimits(), at: seconds(0)) == .allowed)
    #expect(quota.charge(messages: .max, limits: QuotaLimits(messagesPerDay: 1), at: seconds(9)) != .allowed)
  }

  @Test("a clock that stands still or goes back changes no count")
  func clockBack() {
    var quota = Quota()
    let limits = QuotaLimits(messagesPerHour: 1)
    #expect(quota.charge(messages: 1, limits: limits, at: seconds(5000)) == .allowed)
    #expect(quota.charge(messages: 1, limits: limits, at: seconds(0)) != .allowed)
    #expect(quota.charge(messages: 1, limits: limits, at: Uptime(nanoseconds: -5)) != .allowed)
  }

  @Test("the table keeps users apart, and the longest idle makes room")
  func table() throws {
    var table = QuotaTable(maximumUsers: 2)
    let users = try ["a", "b", "c"].map { try makeUser($0, quota: QuotaLimits(messagesPerHour: 1)) }
    for user in users[0...1] { #expect(table.charge(user, messages: 1, at: seconds(0)) == .allowed) }
    #expect(table.charge(users[0], messages: 1, at: seconds(1)) != .allowed)
    #expect(table.charge(users[2], messages: 1, at: seconds(2)) == .allowed)
    #expect(table.charge(users[0], messages: 1, at: seconds(3)) != .allowed)
    #expect(table.charge(users[1], messages: 1, at: seconds(4)) == .allowed, "b was forgotten")
  }
}

@Suite("tables of bounded size")
struct RecencyTableTests {
  @Test("never more than its capacity, and always the ones set last")
  func bound() {
    var table = RecencyTable<Int, Int>(capacity: 8)
    var random = Seeded(state: 3)
    var order: [Int] = []
    for step in 0..<5000 {
      let key = Int.random(in: 0..<20, using: &random)
      if step % 11 == 0 {
        let isThere = order.contains(key)
        table.refresh(key)
        order.removeAll { $0 == key }
        if isThere { order.append(key) }
      } else if step % 7 == 0 {
        let known = table.value(for: key)
        if step % 2 == 0 { table.remove(key) } else { #expect(table.take(key) == known) }
        order.removeAll { $0 == key }
      } else {
        table.set(step, for: key)
        order.removeAll { $0 == key }
        order.append(key)
        if order.count > 8 { order.removeFirst() }
        #expect(table.value(for: key) == step)
      }
      #expect(table.count == order.count && order.allSatisfy { table.value(for: $0) != nil })
    }
    table.removeAll()
    #expect(table.count == 0 && table.value(for: order[0]) == nil)
  }
}
