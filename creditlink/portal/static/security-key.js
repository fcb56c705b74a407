// Asks the browser for a security key and sends its answer with the form. Codes work without this file.
"use strict";
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const form = document.querySelector("form[data-security-key]");
  if (!form || !window.PublicKeyCredential) return;
  const options = JSON.parse(form.dataset.options);
  const isNew = form.dataset.securityKey === "new";
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const list of [options.allowCredentials, options.excludeCredentials])
    for (const one of list || []) one.id = bytes(one.id);
  form.addEventListener("submit", async (event) => {
    if (form.elements.credential.value) return;
    event.preventDefault();
    try {
      const made = await navigator.credentials[isNew ? "create" : "get"]({ publicKey: options });
      const response = { clientDataJSON: text(made.response.clientDataJSON) };
      for (const name of ["attestationObject", "authenticatorData", "signature"])
        if (made.response[name]) response[name] = text(made.response[name]);
      const sent = { id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: {}, response };
      form.elements.credential.value = JSON.stringify(sent);
      form.submit();
    } catch (refused) {
      form.querySelector("[role=alert]").hidden = false;
    }
  });
})();
