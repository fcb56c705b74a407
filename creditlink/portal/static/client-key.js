// Makes a client's key in the browser: the private part is offered as a file, the public part is sent. Keys that were
// made elsewhere can be sent without this file.
"use strict";
(() => {
  const part = document.querySelector("[data-client-key]");
  if (!part || !window.crypto || !window.crypto.subtle) return;
  part.hidden = false;
  const find = (name) => part.querySelector(`[data-${name}]`);
  const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
  const base64url = (buffer) => base64(buffer).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const offer = (name, text) => {
    find(name).href = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
  };
  // The key's thumbprint (RFC 7638): the names of its members in order, and nothing else.
  const thumbprint = async ({ crv, kty, x, y }) =>
    base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify({ crv, kty, x, y }))));
  find("make").addEventListener("click", async () => {
    try {
      const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
      const whole = await crypto.subtle.exportKey("jwk", pair.privateKey);
      const kid = await thumbprint(whole);
      const { kty, crv, x, y, d } = whole;
      const open = { kty, crv, x, y, use: "sig", alg: "ES256", kid };
      const lines = base64(await crypto.subtle.exportKey("pkcs8", pair.privateKey)).replace(/.{64}/g, "$&\n");
      offer("pem", `-----BEGIN PRIVATE KEY-----\n${lines.trim()}\n-----END PRIVATE KEY-----\n`);
      offer("jwk", JSON.stringify({ ...open, d }, null, 2) + "\n");
      find("kid").textContent = kid;
      part.querySelector("form").elements.key.value = JSON.stringify(open);
      find("made").hidden = false;
      find("make").hidden = true;
    } catch (refused) {
      find("failed").hidden = false;
    }
  });
})();
