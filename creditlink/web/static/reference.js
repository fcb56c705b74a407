// Everything comes from this server: banks' networks are closed.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  supportedSubmitMethods: [],
  validatorUrl: null,
});
