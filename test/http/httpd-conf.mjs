/*
 * The private httpd.conf of a test server and the directories it names.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));

export const BUILD = path.resolve(process.env.CU_BUILD
                                  ?? path.join(here, '../../build'));
export const MODULE = path.resolve(process.env.CU_MODULE
                                   ?? path.join(BUILD,
                                                'mod_chunked_upload.so'));
export const CTL = path.resolve(process.env.CU_CTL
                                ?? path.join(BUILD, 'chunked-upload-ctl'));
export const HTTPD = process.env.CU_HTTPD ?? '/usr/sbin/apache2';
const MODULES = process.env.CU_HTTPD_MODULES ?? '/usr/lib/apache2/modules';
const AS_ROOT = process.getuid() === 0;

const BASIC_MODULES = ['authz_core', 'authn_core', 'authn_file', 'authz_user',
                       'auth_basic', 'mime', 'dir', 'alias', 'headers', 'env',
                       'setenvif', 'rewrite', 'reqtimeout'];

/* The endpoints most tests use; `conf` may add or replace. */
export const ENDPOINTS = `
<Location "/up">
    SetHandler chunked-upload
</Location>
<Location "/done">
    SetHandler chunked-upload-complete
</Location>
`;

let compiledIn = null;

function isCompiledIn(name)
{
    if (compiledIn === null) {
        const list = spawnSync(HTTPD, ['-l'], { encoding: 'utf8' });
        assert.equal(list.status, 0, `${HTTPD} -l: ${list.stderr}`);
        compiledIn = new Set([...list.stdout.matchAll(/^\s+(\S+)\.c$/gm)]
            .map((m) => m[1]));
    }
    return compiledIn.has(`mod_${name}`) || compiledIn.has(name);
}

function wwwData()
{
    const line = fs.readFileSync('/etc/passwd', 'utf8').split('\n')
        .find((l) => l.startsWith('www-data:'));
    assert.ok(line, 'no user www-data to run httpd as');
    const [, , uid, gid] = line.split(':');
    return { uid: Number(uid), gid: Number(gid) };
}

/* The unprivileged children must be able to reach the directory. */
function reachable(directory)
{
    for (let at = directory; ; at = path.dirname(at)) {
        if (fs.existsSync(at) && (fs.statSync(at).mode & 0o001) === 0) {
            return false;
        }
        if (at === path.dirname(at)) {
            return true;
        }
    }
}

export function makeRunDir()
{
    let base = path.join(BUILD, 'test-run');
    if (AS_ROOT && !reachable(base)) {
        base = path.join(os.tmpdir(), 'chunked-upload-test-run');
    }
    const root = path.join(base, randomBytes(6).toString('hex'));
    for (const name of ['htdocs', 'logs', 'run', 'var']) {
        fs.mkdirSync(path.join(root, name), { recursive: true, mode: 0o755 });
    }
    if (AS_ROOT) {
        const { uid, gid } = wwwData();
        for (const name of ['htdocs', 'run', 'var']) {
            fs.chownSync(path.join(root, name), uid, gid);
        }
    }
    return root;
}

function mpmConf(mpm)
{
    if (mpm === 'prefork') {
        return 'StartServers 4\nMinSpareServers 2\nMaxSpareServers 8\n'
             + 'MaxRequestWorkers 48\n';
    }
    return 'StartServers 2\nServerLimit 4\nThreadsPerChild 20\n'
         + 'MinSpareThreads 40\nMaxSpareThreads 80\nMaxRequestWorkers 80\n';
}

function tlsConf(root, port, more)
{
    const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048',
        '-nodes', '-keyout', `${root}/key.pem`, '-out', `${root}/cert.pem`,
        '-days', '2', '-subj', '/CN=localhost'], { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    return `Listen 127.0.0.1:${port}
<VirtualHost 127.0.0.1:${port}>
    SSLEngine on
    SSLCertificateFile "${root}/cert.pem"
    SSLCertificateKeyFile "${root}/key.pem"
${more}
</VirtualHost>
`;
}

/** The text of httpd.conf.  See startServer() for the options. */
export function httpdConf(root, ports, o)
{
    const wanted = [`mpm_${o.mpm}`, ...BASIC_MODULES, ...o.modules];
    if (o.tls) {
        wanted.push('socache_shmcb', 'ssl');
    }
    if (o.http2) {
        wanted.push('http2');
    }
    const loads = [...new Set(wanted)].filter((m) => !isCompiledIn(m))
        .map((m) => `LoadModule ${m}_module "${MODULES}/mod_${m}.so"`);
    if (o.module) {
        loads.push(`LoadModule chunked_upload_module "${MODULE}"`);
    }
    const own = o.module && o.configured
        ? `ChunkedUploadStateDir "${root}/var/state"\n`
          + `ChunkedUploadDBM ${o.dbm}\n` : '';
    const levels = o.module ? 'notice chunked_upload:info' : 'notice';
    return `ServerRoot "${root}"
DefaultRuntimeDir "${root}/run"
PidFile "${root}/run/httpd.pid"
CoreDumpDirectory "${root}/run"
Mutex "file:${root}/run" default
Listen 127.0.0.1:${ports.http}
ServerName localhost
${loads.join('\n')}
${AS_ROOT ? 'User www-data\nGroup www-data' : ''}
${mpmConf(o.mpm)}
Timeout 30
KeepAlive On
KeepAliveTimeout 10
AcceptFilter http none
ErrorLog "${root}/logs/error.log"
LogLevel ${o.logLevel ?? levels}
LogFormat "%h %u \\"%r\\" %>s %b" short
CustomLog "${root}/logs/access.log" short
TypesConfig /etc/mime.types
DocumentRoot "${root}/htdocs"
${o.http2 ? 'Protocols h2 h2c http/1.1' : ''}
<Directory />
    AllowOverride None
    Require all denied
</Directory>
<Directory "${root}/htdocs">
    AllowOverride All
    Options FollowSymLinks
    Require all granted
</Directory>
${own}
${o.endpoints}
${o.conf.replaceAll('@ROOT@', root)}
${o.tls ? tlsConf(root, ports.tls, o.tlsConf) : ''}
`;
}

export function withDefaults(options)
{
    return {
        mpm: 'event', dbm: process.env.CU_DBM ?? 'db', conf: '', modules: [], files: {},
        module: true, configured: true, endpoints: ENDPOINTS, tls: false,
        tlsConf: '', http2: false, ...options
    };
}

export function writeFiles(root, files)
{
    for (const [name, content] of Object.entries(files)) {
        const to = path.join(root, 'htdocs', name);
        fs.mkdirSync(path.dirname(to), { recursive: true });
        fs.writeFileSync(to, typeof content === 'string'
            ? content.replaceAll('@ROOT@', root) : content);
    }
}

/* ASan lives in the module only, so the runtime must come first. */
export function environment()
{
    const env = { ...process.env, TZ: 'UTC' };
    if (process.env.CU_ASAN) {
        const lib = spawnSync('gcc', ['-print-file-name=libasan.so'],
                              { encoding: 'utf8' });
        env.LD_PRELOAD = lib.stdout.trim();
        env.ASAN_OPTIONS = 'detect_leaks=0:abort_on_error=1';
        env.UBSAN_OPTIONS = 'print_stacktrace=1';
    }
    return env;
}

/**
 * Ask httpd whether it likes a configuration (`httpd -t`).
 * @return { status, text }
 */
export function configTest(options)
{
    const o = withDefaults(options);
    const root = makeRunDir();
    writeFiles(root, o.files);
    const file = path.join(root, 'httpd.conf');
    fs.writeFileSync(file, httpdConf(root, { http: 1, tls: 2 }, o));
    const run = spawnSync(HTTPD, ['-t', '-f', file],
                          { encoding: 'utf8', env: environment() });
    fs.rmSync(root, { recursive: true });
    return { status: run.status, text: run.stdout + run.stderr };
}
