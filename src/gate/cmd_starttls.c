/* cmd_starttls.c: STARTTLS (RFC 3207). Whatever the client said in plaintext behind it is an attack or a bug: refused, never carried over. */
#include "gate/outgoing.h"
#include "gate/session.h"

#include <openssl/ssl.h>
#include <stdlib.h>

enum session_next cmd_starttls(struct session *s, struct str args)
{
    if (args.len)
        return answer_detail(s, REASON_BAD_ARGUMENTS, "STARTTLS takes none");
    if (s->client.tls)
        return answer_detail(s, REASON_BAD_SEQUENCE, "TLS is on already");
    if (!s->runtime->tls_configured)
        return answer(s, REASON_NOT_IMPLEMENTED);
    if (stream_has_input(&s->stream))
        return answer_close(s, REASON_PIPELINED_TOO_EARLY, "plaintext behind STARTTLS");
    SSL *ssl = s->runtime->tls ? tls_server_session(s->runtime->tls, s->stream.fd) : NULL;
    if (!ssl)
        return answer(s, REASON_TLS_UNAVAILABLE);
    outgoing_begin(s);
    session_reset_transaction(s); /* RFC 3207 §4.2: back to the state after the banner */
    free(s->helo);
    s->helo = NULL;
    s->client.helo = str_n(NULL, 0);
    s->client.esmtp = false;
    s->greeted = false;
    s->started_tls = true;
    answer(s, REASON_TLS_GO_AHEAD);
    if (stream_flush(&s->stream) != STREAM_OK) {
        SSL_free(ssl);
        return SESSION_CLOSE;
    }
    session_handshake(s, ssl);
    return SESSION_WAIT;
}
