// The whole flow with openid-client, a certified client library that knows nothing of this project.
// Reads one JSON object from standard input (see test_end_to_end.py), prints one with what happened at each step.
// The firm's browser is a few fetches with a cookie jar: the form fields are those of docs/integrate.md.

import * as client from 'openid-client'

const input = JSON.parse(await new Promise((resolve) => {
  let text = ''
  process.stdin.on('data', (part) => (text += part)).on('end', () => resolve(text))
}))

// Behind a load balancer each request may reach another process; here each goes to the next one in turn.
let turn = 0
const reached = {}
function spread(url) {
  const base = input.api_urls[turn++ % input.api_urls.length]
  reached[base] = (reached[base] ?? 0) + 1
  return String(url).replace(input.issuer, base)
}
const toAnyProcess = (url, options) => fetch(spread(url), options)

class Browser {
  cookies = new Map()

  async request(url, form) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(spread(new URL(url, input.issuer)), {
      method: form ? 'POST' : 'GET',
      redirect: 'manual',
      headers: { cookie, 'accept-language': 'en' },
      body: form ? new URLSearchParams(form) : undefined,
    })
    for (const line of response.headers.getSetCookie()) {
      const [name, value] = line.split(';')[0].split('=')
      this.cookies.set(name, value)
    }
    this.html = await response.text()
    this.status = response.status
    const location = response.headers.get('location')
    return location && response.status === 303 ? location : null
  }

  hidden(name) {
    return this.html.match(new RegExp(`name="${name}" value="([^"]*)"`))?.[1] ?? ''
  }
}

async function approve(address, firm) {
  const browser = new Browser()
  let next = await browser.request(address)
  next = await browser.request(next) // the consent page sends who is not signed in on to sign-in
  const consentPage = decodeURIComponent(next.split('next=')[1])
  await browser.request(next)
  next = await browser.request('/portal/sign-in', [
    ['login', firm.login], ['password', firm.password], ['next', consentPage], ['csrf_token', browser.hidden('csrf_token')],
  ])
  await browser.request(next)
  const categories = [...browser.html.matchAll(/name="category" value="([^"]*)"/g)].map((found) => ['category', found[1]])
  const back = await browser.request(next, [
    ['decision', 'approve'], ...categories, ['csrf_token', browser.hidden('csrf_token')],
  ])
  if (!back) throw new Error(`the consent page answered ${browser.status}`)
  return new URL(back)
}

async function refusedWith(call) {
  try {
    await call()
    return 'served'
  } catch (error) {
    return error.error ?? error.cause?.error ?? error.cause?.[0]?.parameters?.error ?? `${error.name}: ${error.message}`
  }
}

async function importKey(jwk, alg) {
  const algorithm = alg === 'PS256' ? { name: 'RSA-PSS', hash: 'SHA-256' } : { name: 'ECDSA', namedCurve: 'P-256' }
  return crypto.subtle.importKey('jwk', { ...jwk, use: undefined, alg: undefined }, algorithm, false, ['sign'])
}

async function bank(settings) {
  const key = { key: await importKey(settings.jwk, settings.alg), kid: settings.jwk.kid }
  const config = await client.discovery(
    new URL(input.issuer), settings.client_id, { use_mtls_endpoint_aliases: false }, client.PrivateKeyJwt(key),
    { algorithm: 'oauth2', execute: [client.allowInsecureRequests], [client.customFetch]: toAnyProcess },
  )
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair(settings.alg))
  return { settings, config, DPoP }
}

async function authorize({ settings, config, DPoP }, firm) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedState = client.randomState()
  const address = await client.buildAuthorizationUrlWithPAR(config, {
    redirect_uri: settings.redirect_uri,
    scope: input.scope,
    state: expectedState,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    authorization_details: JSON.stringify([{ ...input.authorization_details, uscc: firm.uscc }]),
  }, { DPoP })
  const callback = await approve(address, firm)
  const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier, expectedState }, undefined, { DPoP })
  return { tokens, callback, checks: { pkceCodeVerifier, expectedState } }
}

async function call({ config, DPoP }, token, path, method = 'GET', body = undefined) {
  const headers = new Headers(body === undefined ? {} : { 'content-type': 'application/json', prefer: 'wait=20' })
  try {
    const response = await client.fetchProtectedResource(config, token, new URL(path, input.issuer), method, body, headers, { DPoP })
    return { status: response.status, body: await response.json() }
  } catch (error) {
    if (error.response === undefined && error.status === undefined) throw error
    return { status: error.status ?? error.response.status, challenge: error.cause?.[0]?.parameters?.error }
  }
}

const said = {}
const [first, second] = [await bank(input.banks[0]), await bank(input.banks[1])]
for (const one of [first, second]) {
  const { settings, config, DPoP } = one
  const { tokens, callback, checks } = await authorize(one, input.firm)
  const made = await call(one, tokens.access_token, '/v1/profiles', 'POST', '{}')
  const read = await call(one, tokens.access_token, `/v1/profiles/${made.body.id}`)
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
  Object.assign(one, { tokens, refreshed, profile: made.body })
  said[settings.alg] = {
    token_type: tokens.token_type.toLowerCase(),
    granted: tokens.authorization_details[0].categories,
    created: made.status,
    read: read.status,
    enterprise: made.body.enterprise_id,
    refreshed: refreshed.access_token !== tokens.access_token,
    active: (await client.tokenIntrospection(config, refreshed.access_token)).active,
    code_again: await refusedWith(() => client.authorizationCodeGrant(config, callback, checks, undefined, { DPoP })),
  }
}
// A code used twice ends what it gave: each bank asks once more for the part below.
for (const one of [first, second]) Object.assign(one, await authorize(one, input.firm))
const [a, b] = [first, second]
const own = await call(a, a.tokens.access_token, '/v1/profiles', 'POST', '{}')
said.stolen = {
  profile_of_the_other_bank: (await call(b, b.tokens.access_token, `/v1/profiles/${own.body.id}`)).status,
  token_of_the_other_bank: (await call(b, a.tokens.access_token, `/v1/profiles/${own.body.id}`)).status,
  introspected_by_the_other_bank: await client.tokenIntrospection(b.config, a.tokens.access_token),
  refreshed_by_the_other_bank: await refusedWith(
    () => client.refreshTokenGrant(b.config, a.tokens.refresh_token, undefined, { DPoP: b.DPoP })),
}
await client.tokenRevocation(a.config, a.tokens.refresh_token)
said.revoked = {
  read: (await call(a, a.tokens.access_token, `/v1/profiles/${own.body.id}`)).status,
  active: (await client.tokenIntrospection(a.config, a.tokens.access_token)).active,
  refresh: await refusedWith(() => client.refreshTokenGrant(a.config, a.tokens.refresh_token, undefined, { DPoP: a.DPoP })),
}
said.processes_reached = Object.keys(reached).length
console.log(JSON.stringify(said))
