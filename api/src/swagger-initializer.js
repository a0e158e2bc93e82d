window.onload = () => {
  const ui = SwaggerUIBundle({
    // From /docs/, so that it holds under any path.
    url: "../openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
    plugins: [SwaggerUIBundle.plugins.DownloadUrl],
    layout: "StandaloneLayout",
    responseInterceptor: (response) => {
      const path = new URL(response.url, window.location.href).pathname;
      if (response.ok && (path.endsWith("/auth/login") || path.endsWith("/auth/refresh") || path.endsWith("/me/password"))) {
        const value = JSON.parse(response.text).access_token;
        ui.authActions.authorize({ bearer: { name: "bearer", schema: { type: "http", scheme: "bearer" }, value } });
      }
      return response;
    },
  });
  window.ui = ui;
};
