import OrderedCollections

/// Counts by the values of one label, `MailMetrics.maximumLabelValues` of them and one for all others.
struct LabelledCounts {
  private var counts: OrderedDictionary<String, Int> = [:]

  mutating func add(_ value: String, _ number: Int = 1) {
    let isKnown = counts[value] != nil || counts.count < MailMetrics.maximumLabelValues
    counts[isKnown ? value : MailMetrics.otherLabel, default: 0] += number
  }

  func samples(_ label: String) -> [Exposition.Sample] { counts.map { .init([(label, $0.key)], $0.value) } }
}
