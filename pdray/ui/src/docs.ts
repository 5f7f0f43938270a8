import "swagger-ui-dist/swagger-ui.css";

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";

import { authorization } from "./api/client";

/** The API's documentation, with the key that the page was given where one is needed. */
SwaggerUI({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null, // it would be asked over the network
  requestInterceptor: (request: { headers: Record<string, string> }) => {
    Object.assign(request.headers, authorization());
    return request;
  },
});
