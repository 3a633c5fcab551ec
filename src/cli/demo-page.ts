/** The page that the demo's app serves, with a form for each thing that one may want to try. */
export const DEMO_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Polarity demo</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; color: #1c2330; background: #fff; }
  h1 { font-size: 1.6rem; }
  form, section { border: 1px solid #d5dae3; border-radius: 8px; padding: 1rem; margin: 1rem 0; }
  label { display: block; margin-bottom: .5rem; }
  input, button { font: inherit; padding: .3rem .6rem; }
  pre { background: #f3f5f9; padding: .6rem; overflow: auto; min-height: 1.5em; }
  @media (prefers-color-scheme: dark) {
    body { color: #e6e9ef; background: #14181f; }
    form, section { border-color: #39414f; }
    pre { background: #1e242e; }
  }
</style>
<h1>This page came over the link</h1>
<p>The app listens on a port of its own. Nobody dialled it from the router: its connector dialled the router, and the
request came back along that link.</p>
<form method="post" action="/echo">
  <label>POST a form and see it echoed: <input name="a" value="1"> <input name="b" value="2"></label>
  <button>Post</button>
</form>
<form method="post" action="/upload" enctype="multipart/form-data">
  <label>Upload a file and see its size and hash: <input type="file" name="file"></label>
  <button>Upload</button>
</form>
<form action="/query">
  <label>Send a query: <input name="q" value="two words &amp; more"></label>
  <button>Get</button>
</form>
<section>
  <label>Talk over a websocket: <input id="text" value="hello"> <button id="send">Send</button></label>
  <pre id="log"></pre>
</section>
<p><a href="/headers">The headers that the app saw</a></p>
<script>
  const log = document.getElementById("log");
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/socket");
  socket.onopen = () => { log.textContent = "connected\\n"; };
  socket.onmessage = (event) => { log.textContent += "app: " + event.data + "\\n"; };
  socket.onclose = () => { log.textContent += "closed\\n"; };
  document.getElementById("send").onclick = () => socket.send(document.getElementById("text").value);
</script>
</html>
`;
