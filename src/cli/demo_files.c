/* demo_files.c: see demo_files.h. */
#include "cli/demo_files.h"

#include "base/str.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char host_name[] = "mx.postern.test";

static bool say(const char *what)
{
    fprintf(stderr, "postern demo: %s: %s\n", what, strerror(errno));
    return false;
}

static bool make_folder(const char *path)
{
    char partial[PATH_MAX + 64];

    for (const char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        str_copy(partial, sizeof partial, slash ? str_n(path, (size_t)(slash - path)) : str_from(path));
        if (mkdir(partial, 0755) < 0 && errno != EEXIST)
            return say(partial);
        if (!slash)
            return true;
    }
}

static bool write_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "we");

    if (!f || fchmod(fileno(f), mode) < 0 || fputs(text, f) < 0) {
        say(path);
        if (f)
            fclose(f);
        return false;
    }
    return fclose(f) == 0 || say(path);
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = extension && X509_add_ext(cert, extension, -1);

    X509_EXTENSION_free(extension);
    return ok;
}

static X509 *self_sign(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME *name = cert ? X509_get_subject_name(cert) : NULL;
    char names[100];

    snprintf(names, sizeof names, "DNS:%s,DNS:localhost,IP:127.0.0.1", host_name);
    if (!cert || !X509_set_version(cert, 2) || !ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) ||
        !X509_gmtime_adj(X509_getm_notBefore(cert), -86400) || !X509_gmtime_adj(X509_getm_notAfter(cert), 86400L * 825) ||
        !X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)host_name, -1, -1, 0) ||
        !X509_set_issuer_name(cert, name) || !X509_set_pubkey(cert, key) || !add_extension(cert, NID_subject_alt_name, names) ||
        !X509_sign(cert, key, EVP_sha256())) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

static bool make_certificate(const char *directory)
{
    char cert_path[PATH_MAX + 32], key_path[PATH_MAX + 32];

    snprintf(cert_path, sizeof cert_path, "%s/cert.pem", directory);
    snprintf(key_path, sizeof key_path, "%s/key.pem", directory);
    if (access(cert_path, R_OK) == 0 && access(key_path, R_OK) == 0)
        return true;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? self_sign(key) : NULL;
    FILE *cert_file = cert ? fopen(cert_path, "we") : NULL, *key_file = cert ? fopen(key_path, "we") : NULL;
    bool ok = cert_file && key_file && fchmod(fileno(key_file), 0600) == 0 && PEM_write_X509(cert_file, cert) &&
              PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL);
    if (cert_file)
        ok = fclose(cert_file) == 0 && ok;
    if (key_file)
        ok = fclose(key_file) == 0 && ok;
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok || say("making a certificate");
}

/* Can everybody get to DIRECTORY (absolute)? Below a home folder such as /root only its owner can. */
static bool is_open_to_all(const char *directory)
{
    char path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof path, "%s", directory);
    for (char *slash = strrchr(path, '/'); slash && slash != path; slash = strrchr(path, '/')) {
        *slash = '\0';
        if (stat(path[0] ? path : "/", &st) < 0 || !(st.st_mode & S_IXOTH))
            return false;
    }
    return true;
}

/* Started as root, the gateway runs as nobody, or where nobody cannot reach the folder as root without its powers. NULL: as who started it. */
static const char *user_of(const char *directory)
{
    return geteuid() != 0 ? NULL : is_open_to_all(directory) ? "nobody" : "root";
}

static bool write_config(const struct demo_files *f)
{
    char user[64] = "";
    char text[8192], path[PATH_MAX + 32];
    const char *d = f->directory, *name = user_of(d);

    if (name)
        snprintf(user, sizeof user, "user = \"%s\"\n", name);
    int n = snprintf(text, sizeof text,
                     "# Made by `postern demo` at every start; change a copy.\n"
                     "host_name = \"%s\"\n%s"
                     "listen_mx = {\"127.0.0.1:%d\"}\nlisten_submission = {\"127.0.0.1:%d\"}\nlisten_submissions = {\"127.0.0.1:%d\"}\n"
                     "listen_console = {\"127.0.0.1:%d\"}\nwhy_url = \"http://127.0.0.1:%d/why\"\n"
                     "state_directory = \"%s/state\"\nspool_directory = \"%s/spool\"\nrun_directory = \"%s/run\"\nlists_directory = \"%s/lists\"\n"
                     "log_json = \"%s/log/messages.jsonl\"\nlog_text = \"%s/log/mail.log\"\n"
                     "tls_certificates = {\"%s/cert.pem:%s/key.pem\"}\ndns_zone_file = \"%s/zone\"\n"
                     "submission_networks = {\"127.0.0.0/8\"}\nspool_free_floor = 64M\n"
                     "greylist = no  # but for grey.test: the samples are all first contacts\n\n"
                     "domain \"acme.test\" {\n  routes = {\"127.0.0.1:%d\"}\n}\n"
                     "domain \"strict.test\" {\n  routes = {\"127.0.0.1:%d\"}\n  local_recipients = {\"ann\", \"bob\"}\n}\n"
                     "domain \"grey.test\" {\n  routes = {\"127.0.0.1:%d\"}\n  greylist = yes\n}\n"
                     "domain \"live.test\" {  # its own server's answers reach the sender\n  routes = {\"127.0.0.1:%d\"}\n  cut_through = yes\n}\n"
                     "domain \"down.test\" {  # nobody listens there\n  routes = {\"127.0.0.1:%d\"}\n}\n",
                     host_name, user, DEMO_MX, DEMO_SUBMISSION, DEMO_SUBMISSIONS, DEMO_CONSOLE, DEMO_CONSOLE, d, d, d, d, d, d, d, d, d, DEMO_SINK,
                     DEMO_SINK, DEMO_SINK, DEMO_SINK, DEMO_DEAD);

    if (n < 0 || (size_t)n >= sizeof text) {
        errno = ENAMETOOLONG;
        return say(d);
    }
    if (!write_file(f->config, text, 0644))
        return false;
    snprintf(path, sizeof path, "%s/zone", d);
    return write_file(path,
                      "; what the demo knows instead of DNS\n"
                      "example.test.        MX  10 mail.example.test.\n"
                      "mail.example.test.   A   127.0.0.1\n"
                      "acme.test.           MX  10 mx.postern.test.\n"
                      "bank.test.           MX  10 mail.bank.test.\n"
                      "bank.test.           TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n"
                      "1.0.0.127.in-addr.arpa.  PTR  mail.example.test.\n"
                      "null.test.           MX  0 .\n",
                      0644);
}

static bool write_lists(const struct demo_files *f)
{
    char path[PATH_MAX + 32];

    snprintf(path, sizeof path, "%s/lists/sender-block", f->directory);
    return write_file(path, "*@blocked.test    # refused for everybody\n", 0644);
}

static void find_program(char *to)
{
    ssize_t n = readlink("/proc/self/exe", to, PATH_MAX - 1);
    char here[PATH_MAX];

    to[n > 0 ? n : 0] = '\0';
    size_t len = getcwd(here, sizeof here) ? strlen(here) : 0;
    if (len > 1 && strncmp(to, here, len) == 0 && to[len] == '/') /* shorter to type */
        memmove(to, to + len + 1, strlen(to + len + 1) + 1);
}

/* What the gateway writes must be its user's. */
static bool give_away(const struct demo_files *f)
{
    static const char *const folders[] = {"/state", "/spool", "/run", "/log"};
    char path[PATH_MAX + 32];
    const char *name = user_of(f->directory);
    const struct passwd *user = name ? getpwnam(name) : NULL;

    for (size_t i = 0; user && i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s%s", f->directory, folders[i]);
        if (chown(path, user->pw_uid, user->pw_gid) < 0)
            return say(path);
    }
    return true;
}

bool demo_files_make(const char *directory, struct demo_files *out)
{
    static const char *const folders[] = {"", "/state", "/spool", "/run", "/lists", "/log", "/maildir"};
    char path[PATH_MAX + 32];

    memset(out, 0, sizeof *out);
    if (!make_folder(directory) || !realpath(directory, out->directory))
        return say(directory);
    if (strlen(out->directory) > 80) { /* the control socket's address is limited to 108 bytes */
        errno = ENAMETOOLONG;
        return say(out->directory);
    }
    snprintf(out->config, sizeof out->config, "%s/postern.conf", out->directory);
    snprintf(out->maildir, sizeof out->maildir, "%s/maildir", out->directory);
    snprintf(out->log, sizeof out->log, "%s/log/messages.jsonl", out->directory);
    find_program(out->program);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s%s", out->directory, folders[i]);
        if (!make_folder(path))
            return false;
    }
    return make_certificate(out->directory) && write_config(out) && write_lists(out) && give_away(out);
}
