import MailQueue

/// Takes everything and keeps nothing, by the operator's explicit wish for a route.
public struct DiscardDeliverer: Deliverer {
  public init() {}

  public func deliver(_ job: DeliveryJob) async -> DeliveryResult {
    DeliveryResult(
      host: "discard", tls: nil, outcomes: job.recipients.map { ($0.number, .delivered("250 2.0.0 discarded")) })
  }
}
