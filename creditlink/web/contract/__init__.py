"""The API's contract: what the OpenAPI document says besides the routes and their bodies."""
