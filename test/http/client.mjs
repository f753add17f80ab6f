/*
 * Clients for the tests: exact bytes over a socket, with pauses, half closes
 * and resets, and on top of that the seed's protocol in short words.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';

const ANSWER_MS = 30000;
const BOUNDARY = 'cu-test-boundary-7MA4YWxk';

export const md5 = (data) => createHash('md5').update(data).digest('hex');
export const sha256 = (data) => createHash('sha256').update(data).digest('hex');

/** sha256 of a file of any size. */
export async function sha256File(file)
{
    const hash = createHash('sha256');
    for await (const piece of fs.createReadStream(file,
                                                  { highWaterMark: 1 << 20 })) {
        hash.update(piece);
    }
    return hash.digest('hex');
}

/** Bytes that differ everywhere and are the same in every run. */
export function pattern(size, seed = 1)
{
    const out = Buffer.alloc(size);
    let x = (seed * 2654435761) >>> 0;
    for (let i = 0; i < size; i++) {
        x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
        out[i] = x >>> 24;
    }
    return out;
}

/** One connection; bytes out as given, answers in as they come. */
export class Wire {
    static async open(s, { secure = false, noDelay = true } = {})
    {
        const socket = secure
            ? tls.connect({ port: s.tlsPort, host: '127.0.0.1',
                            rejectUnauthorized: false, allowHalfOpen: true })
            : net.connect({ port: s.port, host: '127.0.0.1',
                            allowHalfOpen: true });
        const wire = new Wire(socket);
        await new Promise((go, no) => {
            socket.once(secure ? 'secureConnect' : 'connect', go);
            socket.once('error', no);
        });
        socket.setNoDelay(noDelay);
        return wire;
    }

    constructor(socket)
    {
        this.socket = socket;
        this.buffer = Buffer.alloc(0);
        this.ended = false;   /* no more bytes will come */
        this.error = null;
        this.wake = () => {};
        socket.on('data', (data) => {
            this.buffer = Buffer.concat([this.buffer, data]);
            this.wake();
        });
        socket.on('end', () => { this.ended = true; this.wake(); });
        socket.on('close', () => { this.ended = true; this.wake(); });
        socket.on('error', (e) => {
            this.error = e;
            this.ended = true;
            this.wake();
        });
    }

    /** Resolves when the kernel took it; a closed peer is no error here. */
    write(data)
    {
        return new Promise((go) => {
            if (this.socket.destroyed || this.error) {
                go(false);
                return;
            }
            const closed = () => go(false);
            this.socket.once('close', closed);
            this.socket.write(data, (error) => {
                this.socket.off('close', closed);
                go(!error);
            });
        });
    }

    halfClose()
    {
        this.socket.end();
    }

    /** RST, as a machine that lost its memory. */
    reset()
    {
        this.socket.resetAndDestroy();
    }

    close()
    {
        this.socket.destroy();
    }

    async more(deadline)
    {
        if (this.ended) {
            return false;
        }
        const left = deadline - Date.now();
        if (left <= 0) {
            throw new Error('no answer in time; got so far: '
                            + JSON.stringify(this.buffer.toString('latin1')));
        }
        await new Promise((go) => {
            const timer = setTimeout(go, left);
            this.wake = () => { clearTimeout(timer); go(); };
        });
        this.wake = () => {};
        return true;
    }

    async take(count, deadline)
    {
        while (this.buffer.length < count) {
            if (!await this.more(deadline)) {
                throw new Error(`connection ended within an answer: ${
                    this.error ?? 'end of stream'}`);
            }
        }
        const data = this.buffer.subarray(0, count);
        this.buffer = this.buffer.subarray(count);
        return data;
    }

    async line(deadline)
    {
        for (;;) {
            const at = this.buffer.indexOf('\r\n');
            if (at >= 0) {
                const text = this.buffer.toString('latin1', 0, at);
                this.buffer = this.buffer.subarray(at + 2);
                return text;
            }
            if (!await this.more(deadline)) {
                throw new Error(`connection ended before an answer: ${
                    this.error ?? 'end of stream'}`);
            }
        }
    }

    async chunkedBody(deadline)
    {
        const pieces = [];
        for (;;) {
            const size = parseInt(await this.line(deadline), 16);
            if (size === 0) {
                await this.line(deadline);
                return Buffer.concat(pieces);
            }
            pieces.push(Buffer.from(await this.take(size, deadline)));
            await this.take(2, deadline);
        }
    }

    /**
     * The next answer, interim ones included in .interim.
     * @param head   it answers a HEAD
     * @param within milliseconds
     */
    async answer({ head = false, within = ANSWER_MS } = {})
    {
        const deadline = Date.now() + within;
        const interim = [];
        for (;;) {
            const first = await this.line(deadline);
            const m = /^HTTP\/1\.[01] (\d{3})/.exec(first);
            assert.ok(m, `not a status line: ${JSON.stringify(first)}`);
            const headers = {};
            for (let l; (l = await this.line(deadline)) !== '';) {
                const at = l.indexOf(':');
                headers[l.slice(0, at).toLowerCase()] = l.slice(at + 1).trim();
            }
            const status = Number(m[1]);
            if (status < 200) {
                interim.push(status);
                continue;
            }
            let body = Buffer.alloc(0);
            if (!head && status !== 204 && status !== 304) {
                if (headers['transfer-encoding'] === 'chunked') {
                    body = await this.chunkedBody(deadline);
                } else if (headers['content-length'] !== undefined) {
                    body = Buffer.from(await this.take(
                        Number(headers['content-length']), deadline));
                } else {
                    while (await this.more(deadline)) {
                        /* up to the end of the connection */
                    }
                    body = this.buffer;
                    this.buffer = Buffer.alloc(0);
                }
            }
            return makeAnswer(status, headers, body, interim);
        }
    }

    /** True once the server has closed its half. */
    async closed(within = ANSWER_MS)
    {
        const deadline = Date.now() + within;
        while (!this.ended) {
            await this.more(deadline);
        }
        return true;
    }
}

export function makeAnswer(status, headers, body, interim = [])
{
    const text = body.toString('utf8');
    let json;
    try {
        json = JSON.parse(text);
    } catch {
        json = undefined;
    }
    return { status, headers, body, text, json, interim };
}

/** Head of a request as bytes; header values are sent as given. */
export function head(method, target, headers)
{
    const lines = Object.entries(headers).flatMap(([name, value]) =>
        (Array.isArray(value) ? value : [value])
            .filter((v) => v !== undefined && v !== null)
            .map((v) => `${name}: ${v}\r\n`));
    const host = headers.Host === undefined ? 'Host: localhost\r\n' : '';
    return Buffer.from(`${method} ${target} HTTP/1.1\r\n${host}`
                       + lines.join('') + '\r\n', 'latin1');
}

export const basic = (user, password = 'secret') =>
    'Basic ' + Buffer.from(`${user}:${password}`).toString('base64');

/**
 * One request on a connection of its own.
 * @param o method, path, headers, body, secure, within
 */
export async function request(s, o)
{
    const wire = await Wire.open(s, { secure: o.secure });
    const headers = { Connection: 'close', ...o.headers };
    const framed = Object.keys(headers).some((name) =>
        /^(content-length|transfer-encoding)$/i.test(name));
    if (o.body !== undefined && !framed) {
        headers['Content-Length'] = o.body.length;
    }
    try {
        const sent = (async () => {
            await wire.write(head(o.method ?? 'GET', o.path, headers));
            if (o.body !== undefined) {
                await wire.write(o.body);
            }
        })();
        const answer = await wire.answer({ head: o.method === 'HEAD',
                                           within: o.within });
        if (wire.error === null) {
            await Promise.race([sent, wire.closed()]);
        }
        return answer;
    } finally {
        wire.close();
    }
}

/**
 * A multipart body.
 * @param parts { name, value } | { name, filename, filenameStar, type, data }
 *              | { headers: 'raw\r\nlines', data }
 */
export function multipart(parts, { boundary = BOUNDARY, preamble = '',
                                   epilogue = '', end = true } = {})
{
    const out = [Buffer.from(preamble === '' ? '' : preamble + '\r\n')];
    for (const part of parts) {
        let headers = part.headers;
        if (headers === undefined) {
            headers = `Content-Disposition: form-data; name="${part.name}"`;
            if (part.filename !== undefined) {
                headers += `; filename="${part.filename}"`;
            }
            if (part.filenameStar !== undefined) {
                headers += `; filename*=${part.filenameStar}`;
            }
            if (part.type !== undefined) {
                headers += `\r\nContent-Type: ${part.type}`;
            }
        }
        out.push(Buffer.from(`--${boundary}\r\n${headers}\r\n\r\n`),
                 Buffer.from(part.data ?? part.value ?? ''),
                 Buffer.from('\r\n'));
    }
    out.push(Buffer.from(end ? `--${boundary}--\r\n${epilogue}` : ''));
    return Buffer.concat(out);
}

export const formType = (boundary = BOUNDARY) =>
    `multipart/form-data; boundary=${boundary}`;

/**
 * Headers and body of a chunk request.
 * @param o id, data, start, total (both: a Content-Range is sent), range (sent
 *          as given), field, filename, idAfter, parts (instead), auth, headers
 */
export function chunkRequest(o)
{
    const data = o.data ?? Buffer.alloc(0);
    const file = { name: o.field ?? 'file', filename: o.filename ?? 'a.bin',
                   filenameStar: o.filenameStar,
                   type: 'application/octet-stream', data };
    const id = o.id === undefined ? [] : [{ name: 'upload_id', value: o.id }];
    const parts = o.parts ?? (o.idAfter ? [file, ...id] : [...id, file]);
    const body = multipart(parts, o.form);
    const headers = { 'Content-Type': o.type ?? formType(o.form?.boundary) };
    if (o.range !== undefined) {
        headers['Content-Range'] = o.range;
    } else if (o.start !== undefined) {
        headers['Content-Range'] = `bytes ${o.start}-${
            o.start + data.length - 1}/${o.total}`;
    }
    if (o.auth) {
        headers.Authorization = basic(o.auth);
    }
    return { method: 'POST', path: o.path ?? '/up', body, secure: o.secure,
             headers: { ...headers, ...o.headers } };
}

/** Send a chunk.  See chunkRequest(). */
export function chunk(s, o)
{
    return request(s, chunkRequest(o));
}

/** Ask for completion.  @param o id, md5, path, multipart, auth, fields */
export function complete(s, o)
{
    const fields = o.fields ?? [['upload_id', o.id], ['md5', o.md5]]
        .filter(([, value]) => value !== undefined);
    const body = o.multipart
        ? multipart(fields.map(([name, value]) => ({ name, value })))
        : Buffer.from(new URLSearchParams(fields).toString());
    return request(s, {
        method: 'POST', path: o.path ?? '/done', body, secure: o.secure,
        headers: {
            'Content-Type': o.multipart ? formType()
                : 'application/x-www-form-urlencoded',
            ...(o.auth ? { Authorization: basic(o.auth) } : {}), ...o.headers
        }
    });
}

/** GET E/<id>. */
export function status(s, id, o = {})
{
    return request(s, {
        method: o.method ?? 'GET', path: `${o.path ?? '/up'}/${id}`,
        secure: o.secure,
        headers: o.auth ? { Authorization: basic(o.auth) } : {}
    });
}

const EXPIRES = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/;

/** The seed's success body, byte for byte but for id and time. */
export function assertChunkOk(answer, offset, id)
{
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.ok(answer.json, answer.text);
    assert.match(answer.json.upload_id, /^[0-9a-f]{32}$/);
    assert.match(answer.json.expires, EXPIRES);
    if (id !== undefined) {
        assert.equal(answer.json.upload_id, id);
    }
    assert.equal(answer.text, `{"upload_id": "${answer.json.upload_id}", `
        + `"offset": ${offset}, "expires": "${answer.json.expires}"}`);
    return answer.json.upload_id;
}

/** A refusal: status and the exact JSON text. */
export function assertRefused(answer, code, text)
{
    assert.equal(`${answer.status} ${answer.text}`, `${code} ${text}`);
    assert.equal(answer.headers['content-type'], 'application/json');
}

export const offsetError = (offset) =>
    `{"detail": "Offsets do not match", "offset": ${offset}}`;
export const NOT_FOUND = '{"detail": "Not found"}';
export const EXPIRED = '{"detail": "Upload has expired"}';
export const ALREADY =
    '{"detail": "Upload has already been marked as \\"complete\\""}';
export const BAD_HEADERS = '{"detail": "Error in request headers"}';
export const SIZE_DIFFERS = '{"detail": "File size doesn\'t match headers"}';
export const NO_FILE = '{"detail": "No chunk file was submitted"}';
export const NO_AUTH =
    '{"detail": "Authentication credentials were not provided"}';
export const BAD_MD5 = '{"detail": "md5 checksum does not match"}';
export const BOTH_REQUIRED =
    '{"detail": "Both \'upload_id\' and \'md5\' are required"}';
export const ID_REQUIRED = '{"detail": "\'upload_id\' is required"}';

/** Upload a buffer in chunks; returns its id, not yet completed. */
export async function uploadAll(s, data, chunkSize, o = {})
{
    let id = o.id;
    for (let start = o.from ?? 0; start < data.length; start += chunkSize) {
        const end = Math.min(start + chunkSize, data.length);
        const answer = await chunk(s, { ...o, id, start,
                                        data: data.subarray(start, end),
                                        total: o.total ?? data.length });
        id = assertChunkOk(answer, end, id);
        await o.between?.(end, id);
    }
    return id;
}

/** Complete, and see that what is stored is what was meant. */
export async function finish(s, id, data, o = {})
{
    const answer = await complete(s, { ...o, id, md5: md5(data) });
    assertRefused(answer, 200, '{}');
    assert.equal(sha256(fs.readFileSync(s.partFile(id))), sha256(data));
}
