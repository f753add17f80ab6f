/*
 * A private httpd for a test: generated configuration, its own directories,
 * a free port, the real server with the built module.  Nothing of the
 * machine's own Apache is read or touched, and no process is left behind.
 *
 * onServer() is the usual way in: it starts the server before the first test
 * of a group, and after *each* test reads the error log from where the last
 * test stopped, runs `chunked-upload-ctl fsck`, and pairs state files with
 * part files.  What a test makes the server say it announces by expectLog().
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, afterEach, before, describe } from 'node:test';

import { CTL, HTTPD, environment, httpdConf, makeRunDir, withDefaults,
         writeFiles } from './httpd-conf.mjs';

export { CTL, ENDPOINTS, HTTPD, configTest } from './httpd-conf.mjs';

const WAIT_MS = 20000;

export const sleep = (ms) => new Promise((go) => setTimeout(go, ms));

/** Wait until probe() gives something true; fails loudly after ms. */
export async function until(what, probe, ms = WAIT_MS)
{
    const end = Date.now() + ms;
    for (;;) {
        const value = await probe();
        if (value) {
            return value;
        }
        if (Date.now() > end) {
            throw new Error(`waited ${ms} ms in vain for ${what}`);
        }
        await sleep(20);
    }
}

async function freePort()
{
    const server = net.createServer();
    await new Promise((go, no) => {
        server.once('error', no);
        server.listen(0, '127.0.0.1', go);
    });
    const { port } = server.address();
    await new Promise((go) => server.close(go));
    return port;
}

const running = new Set();

function killTree(server)
{
    try {
        process.kill(-server.process.pid, 'SIGKILL');
    } catch {
        /* gone already */
    }
}

/*
 * Ends the server when this process is gone, however it went (SIGKILL too):
 * then the pipe it reads from is closed.
 */
function startWatcher(server)
{
    const watcher = spawn('sh', ['-c',
        `read -r _; kill -9 -${server.process.pid} 2>/dev/null`],
        { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    watcher.unref();
    watcher.stdin.unref?.();
    watcher.stdin.on('error', () => {});
    return watcher;
}

process.on('exit', () => running.forEach(killTree));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => process.exit(1));
}

function walk(directory, wanted, found = [])
{
    let entries;
    try {
        entries = fs.readdirSync(directory, { withFileTypes: true });
    } catch (error) {
        if (error.code === 'ENOENT') {
            return found;
        }
        throw error;
    }
    for (const entry of entries) {
        const at = path.join(directory, entry.name);
        if (entry.isDirectory()) {
            walk(at, wanted, found);
        } else if (wanted(entry.name)) {
            found.push(at);
        }
    }
    return found;
}

/* Lines no test may cause unannounced. */
const CRASH = new RegExp('AddressSanitizer|LeakSanitizer|runtime error'
                         + '|Segmentation|exit signal');
const LOUD = /\[[\w-]*:(error|crit|alert|emerg)\]/;
const OWN_LOUD = /\[chunked_upload:(warn|notice|error|crit|alert|emerg)\]/;
const TAG_QUIET = /\[[\w-]*:(info|debug|trace\d)\]/;

function isBad(line)
{
    return CRASH.test(line) || LOUD.test(line) || OWN_LOUD.test(line)
        || (/\bCU\d{4}:/.test(line) && !TAG_QUIET.test(line));
}

class Server {
    constructor(root, ports, options)
    {
        this.root = root;
        this.options = options;
        this.port = ports.http;
        this.tlsPort = ports.tls;
        this.base = `http://127.0.0.1:${ports.http}`;
        this.docroot = path.join(root, 'htdocs');
        this.stateDir = path.join(root, 'var/state');
        this.dbm = options.dbm;
        this.logFile = path.join(root, 'logs/error.log');
        this.hurried = new Set(); /* children that SIGHUP was to end */
        this.logAt = 0;      /* check() has read up to here */
        this.expected = [];
        this.keep = Boolean(process.env.CU_KEEP);
        this.process = null;
        this.leaving = []; /* children of before a graceful restart */
    }

    async spawn()
    {
        const mark = this.logSize();
        const out = fs.openSync(path.join(this.root, 'logs/stdout'), 'a');
        const child = spawn(HTTPD, ['-f', path.join(this.root, 'httpd.conf'),
                                    '-DFOREGROUND'],
                            { stdio: ['ignore', out, out], detached: true,
                              env: environment() });
        fs.closeSync(out);
        this.process = child;
        const watcher = startWatcher(this);
        this.exited = new Promise((go) => child.once('exit', (code, signal) => {
            this.gone = true;
            watcher.kill('SIGKILL');
            go({ code, signal });
        }));
        this.gone = false;
        running.add(this);
        await until('httpd to answer', () => {
            if (this.gone) {
                throw new Error('httpd did not start:\n' + this.everySaid());
            }
            return this.logFrom(mark).includes('resuming normal operations')
                && this.answers();
        });
    }

    everySaid()
    {
        return ['stdout', 'error.log'].map((name) => {
            const file = path.join(this.root, 'logs', name);
            return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
        }).join('');
    }

    answers()
    {
        return new Promise((go) => {
            const socket = net.connect(this.port, '127.0.0.1');
            socket.once('connect', () => { socket.destroy(); go(true); });
            socket.once('error', () => go(false));
        });
    }

    url(name)
    {
        return this.base + name;
    }

    /* --- processes --- */

    /** Process ids of the children. */
    children()
    {
        const found = [];
        for (const name of fs.readdirSync('/proc')) {
            if (!/^\d+$/.test(name)) {
                continue;
            }
            try {
                const stat = fs.readFileSync(`/proc/${name}/stat`, 'utf8');
                const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2)
                    .split(' ');
                if (Number(parent) === this.process.pid && state !== 'Z') {
                    found.push(Number(name));
                }
            } catch {
                /* ended meanwhile */
            }
        }
        return found;
    }

    /** Resident memory in KiB: [{ pid, rss, anon }]. */
    rssOfChildren()
    {
        return this.children().map((pid) => {
            const text = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
            const kib = (key) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm')
                .exec(text)?.[1] ?? 0);
            return { pid, rss: kib('VmRSS'), anon: kib('RssAnon') };
        });
    }

    /** SIGKILL one child, this one or any; httpd says nothing about it. */
    async killChild(pid = this.children()[0])
    {
        process.kill(pid, 'SIGKILL');
        await until('the child to be gone', () =>
            !this.children().includes(pid));
        await until('an answer', () => this.answers());
    }

    /** SIGKILL the whole server, as a power cut of its processes. */
    async killAll()
    {
        killTree(this);
        await this.exited;
        running.delete(this);
        await until('the port to be free', async () => !(await this.answers()));
        fs.rmSync(path.join(this.root, 'run/httpd.pid'), { force: true });
    }

    async start()
    {
        await this.spawn();
    }

    async signalAndSettle(signal)
    {
        const mark = this.logSize();
        process.kill(this.process.pid, signal);
        await until(`httpd to come back after ${signal}`, () =>
            this.logFrom(mark).includes('resuming normal operations'));
        await until('an answer', () => this.answers());
    }

    /*
     * A child that is ending by itself must not be hurried: the event MPM of
     * 2.4 may then crash in its own close_worker_sockets().
     */
    async waitForLeaving()
    {
        const { leaving } = this;
        this.leaving = [];
        await until('children of before the restart to end', () => {
            const left = this.children();
            return !leaving.some((pid) => left.includes(pid));
        });
    }

    /*
     * Even so, of some 400 hard restarts of the event MPM under load one had a
     * child die in close_worker_sockets() -> apr_os_sock_get(), as its workers
     * took their sockets away; the core shows no frame of ours.  So a child
     * that was told to end by this very signal may end by SIGSEGV, and no
     * other; prefork and graceful restarts are held to end well.
     */
    async restart()
    {
        await this.waitForLeaving();
        if (this.options.mpm !== 'prefork') {
            this.children().forEach((pid) => this.hurried.add(String(pid)));
        }
        await this.signalAndSettle('SIGHUP');
    }

    diedHurried(line)
    {
        const pid = /child pid (\d+) exit signal Segmentation fault/
            .exec(line)?.[1];
        return pid !== undefined && this.hurried.has(pid);
    }

    async graceful()
    {
        this.leaving.push(...this.children());
        await this.signalAndSettle('SIGUSR1');
    }

    async halt()
    {
        if (!this.gone) {
            await this.waitForLeaving();
            process.kill(this.process.pid, 'SIGTERM');
            const late = setTimeout(() => killTree(this), 10000);
            await this.exited;
            clearTimeout(late);
        }
        killTree(this);
        running.delete(this);
    }

    /** End the server; its directory goes too unless a check failed. */
    async stop()
    {
        await this.halt();
        if (!this.keep) {
            fs.rmSync(this.root, { recursive: true, force: true });
        }
    }

    /* --- the log --- */

    logSize()
    {
        return fs.existsSync(this.logFile) ? fs.statSync(this.logFile).size : 0;
    }

    logFrom(offset)
    {
        if (!fs.existsSync(this.logFile)) {
            return '';
        }
        return fs.readFileSync(this.logFile).subarray(offset).toString('utf8');
    }

    /** What was logged in this test so far. */
    logSince()
    {
        return this.logFrom(this.logAt);
    }

    /** This test's lines that carry a CU tag. */
    tagged()
    {
        return this.logSince().split('\n').filter((l) => /\bCU\d{4}:/.test(l));
    }

    /**
     * Announce a log line that would otherwise fail this test.  It must come.
     * @param what tag ("CU0042") or regular expression
     */
    expectLog(what, { optional = false } = {})
    {
        const pattern = what instanceof RegExp ? what
            : new RegExp(`\\b${what}:`);
        this.expected.push({ pattern, optional, seen: 0 });
    }

    checkLog()
    {
        const lines = this.logSince().split('\n').filter(Boolean);
        const expected = this.expected;
        this.logAt = this.logSize();
        this.expected = [];
        const bad = lines.filter((line) => {
            const hit = expected.filter((e) => e.pattern.test(line));
            hit.forEach((e) => { e.seen++; });
            return hit.length === 0 && isBad(line) && !this.diedHurried(line);
        });
        assert.deepEqual(bad, [], 'the error log says:\n' + bad.join('\n'));
        for (const e of expected) {
            assert.ok(e.optional || e.seen > 0,
                      `the error log should have said ${e.pattern}`);
        }
    }

    /* --- the store --- */

    stateFiles()
    {
        return walk(this.stateDir, (name) => name.endsWith('.state'));
    }

    partFiles()
    {
        return walk(path.join(this.root, 'var'),
                    (name) => name.endsWith('.part'));
    }

    /** Absolute path of an upload's bytes. */
    partFile(id)
    {
        const found = this.partFiles()
            .filter((f) => path.basename(f) === `${id}.part`);
        assert.equal(found.length, 1, `part files of ${id}: ${found}`);
        return found[0];
    }

    stateFile(id)
    {
        const found = this.stateFiles()
            .filter((f) => path.basename(f) === `${id}.state`);
        assert.equal(found.length, 1, `state files of ${id}: ${found}`);
        return found[0];
    }

    ctl(...args)
    {
        return spawnSync(CTL, ['-d', this.stateDir, '-t', this.dbm, ...args],
                         { encoding: 'utf8', maxBuffer: 1 << 28,
                           env: { ...process.env } });
    }

    /** `chunked-upload-ctl fsck` finds nothing to complain about. */
    fsck()
    {
        const run = this.ctl('fsck');
        assert.equal(run.error, undefined, String(run.error));
        assert.equal(run.status, 0, `fsck says:\n${run.stdout}${run.stderr}`);
        assert.equal(run.stderr, '', 'fsck complains');
    }

    checkStore()
    {
        if (!this.options.module || !fs.existsSync(this.stateDir)) {
            return;
        }
        this.fsck();
        const ids = (files, end) => files.map((f) => path.basename(f, end))
            .sort();
        assert.deepEqual(ids(this.partFiles(), '.part'),
                         ids(this.stateFiles(), '.state'),
                         'part files and state files come in pairs');
    }

    check()
    {
        try {
            this.checkLog();
            this.checkStore();
        } catch (error) {
            this.keep = true;
            error.message += `\n(kept: ${this.root})`;
            throw error;
        }
    }
}

/**
 * Start a server.
 * @param options
 *   mpm 'event' or 'prefork'; dbm type of the catalogue; conf text added to
 *   httpd.conf (@ROOT@ is the run directory); endpoints, default ENDPOINTS;
 *   files { 'name below htdocs': content }; modules more module names;
 *   module false: without ours; configured false: loaded, not configured;
 *   tls, tlsConf, http2; logLevel
 */
export async function startServer(options = {})
{
    const o = withDefaults(options);
    for (let attempt = 0; ; attempt++) {
        const root = makeRunDir();
        const ports = { http: await freePort(), tls: await freePort() };
        writeFiles(root, o.files);
        fs.writeFileSync(path.join(root, 'httpd.conf'),
                         httpdConf(root, ports, o));
        const server = new Server(root, ports, o);
        try {
            await server.spawn();
            server.checkLog();
            return server;
        } catch (error) {
            killTree(server);
            running.delete(server);
            /* somebody else may have taken the port meanwhile */
            if (attempt >= 2 || !/could not bind|AH00072/.test(error.message)) {
                throw error;
            }
        }
    }
}

/**
 * A group of tests on one server, checked after each of them.
 * @param body gets an object whose .s is the server while tests run
 */
export function onServer(title, options, body)
{
    describe(title, { timeout: 900000 }, () => {
        const at = { s: null };
        before(async () => { at.s = await startServer(options); });
        afterEach(() => at.s.check());
        after(() => at.s?.stop());
        body(at);
    });
}
