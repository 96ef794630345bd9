import MailSyntax
import SMTPSessions

/// What a listening port is called before people: its role, or `alternate` for the submission port that stands in for
/// the others, by custom 2525.
enum PortName {
  static func name(
    _ endpoint: SocketEndpoint, of role: ListenerRole, among ports: [(role: ListenerRole, endpoint: SocketEndpoint)]
  ) -> String {
    switch role {
    case .submissions, .relay: return role.rawValue
    case .submission:
      let others = ports.filter { $0.role == .submission }.map(\.endpoint.port)
      let main = others.first { $0 == 587 } ?? others.first { $0 != 2525 }
      return endpoint.port == main ?? endpoint.port ? role.rawValue : "alternate"
    }
  }
}
