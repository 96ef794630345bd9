import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
import java.util.Properties;

/** Sends the message on standard input: JakartaSend smtps|smtp PORT USER PASSWORD SENDER RECIPIENT... */
public final class JakartaSend {
  public static void main(String[] given) throws Exception {
    String protocol = given[0];
    String prefix = "mail." + protocol + ".";
    Properties settings = new Properties();
    settings.put(prefix + "auth", "true");
    settings.put(prefix + "from", given[4]);
    settings.put(prefix + "localhost", "client.example.org");
    settings.put(prefix + "timeout", "30000");
    settings.put(prefix + "connectiontimeout", "30000");
    settings.put(prefix + "ssl.checkserveridentity", "true");
    if (protocol.equals("smtp")) {
      settings.put(prefix + "starttls.enable", "true");
      settings.put(prefix + "starttls.required", "true");
    }

    Session session = Session.getInstance(settings);
    MimeMessage message = new MimeMessage(session, System.in);
    InternetAddress[] recipients = new InternetAddress[given.length - 5];
    for (int index = 0; index < recipients.length; index++) {
      recipients[index] = new InternetAddress(given[5 + index]);
    }
    try (Transport transport = session.getTransport(protocol)) {
      transport.connect("localhost", Integer.parseInt(given[1]), given[2], given[3]);
      transport.sendMessage(message, recipients);
    }
  }
}
