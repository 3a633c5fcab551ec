/** What plain HTTP is told on a port that takes TLS. */
import { dateLine } from "../socket/date-line.ts";

const PLAIN_HTTP_TEXT = "This port speaks HTTPS, and the request was plain HTTP. Use https:// instead.\n";
const HEAD =
  "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n" +
  `Content-Length: ${PLAIN_HTTP_TEXT.length}\r\nConnection: close\r\nX-Polarity-Error: BAD_REQUEST\r\n`;

export function plainHttpAnswer(): string {
  return `${HEAD}${dateLine()}\r\n${PLAIN_HTTP_TEXT}`;
}
