import MailSyntax

/// What changes from time to time until the faults stop, and then stays as it is.
struct Phases<Value: Sendable>: Sendable {
  private let changing: [(until: Uptime, value: Value)]
  let last: Value

  /// - Parameters:
  ///   - seconds: the most that one lasts.
  ///   - draw: called for each, with its number.
  init(
    from now: Uptime, to end: Uptime, upTo seconds: Int, _ random: SeededRandom, last: Value, draw: (Int) -> Value
  ) {
    var changing: [(until: Uptime, value: Value)] = []
    var until = now
    while until < end {
      until = until + .seconds(60 + random.below(seconds))
      changing.append((min(until, end), draw(changing.count)))
    }
    self.changing = changing
    self.last = last
  }

  init(always value: Value) { (changing, last) = ([], value) }

  func value(at moment: Uptime) -> Value { changing.first { moment < $0.until }?.value ?? last }

  /// Those that held at some moment between both.
  func values(from begin: Uptime, to end: Uptime) -> [Value] {
    var (values, since): ([Value], Uptime?) = ([], nil)
    for (until, value) in changing {
      if until > begin, since.map({ $0 <= end }) ?? true { values.append(value) }
      since = until
    }
    if since.map({ $0 <= end }) ?? true { values.append(last) }
    return values
  }
}
