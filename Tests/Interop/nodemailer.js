// Sends the message on standard input through Nodemailer. Its argument is JSON: see clients.py.
const fs = require("fs");
const nodemailer = require("nodemailer");

const given = JSON.parse(process.argv[2]);
const transport = nodemailer.createTransport({
  host: "localhost",
  port: given.port,
  secure: given.secure,
  requireTLS: !given.secure,
  tls: { ca: fs.readFileSync(given.ca), rejectUnauthorized: true },
  auth: { user: given.user, pass: given.password },
});

transport
  .sendMail({ envelope: { from: given.sender, to: given.to }, raw: fs.readFileSync(0) })
  .then((sent) => {
    if (sent.rejected.length > 0) throw new Error(`rejected: ${sent.rejected}`);
    console.log(sent.response);
  })
  .catch((problem) => {
    console.error(problem);
    process.exitCode = 1;
  });
