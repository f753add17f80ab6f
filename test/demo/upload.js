/*
 * The demo's page: jQuery File Upload sends the chunks, spark-md5 makes the
 * digest meanwhile, and the server's word is the truth about how far an
 * upload has come.  An upload's id is remembered under the file's name, size
 * and time, so that the same file, chosen again, goes on.
 */
/* global $, SparkMD5 */
'use strict';

const ENDPOINT = 'upload/';
const REMEMBERED = 'chunked-upload:';
const MIB = 1048576;
const DIGEST_PIECE = 2 * MIB;

// localStorage may be forbidden; then an upload lives as long as the page.
const memory = {
    get(key) {
        try { return localStorage.getItem(key); } catch { return null; }
    },
    set(key, value) { try { localStorage.setItem(key, value); } catch { } },
    drop(key) { try { localStorage.removeItem(key); } catch { } },
    keys() { try { return Object.keys(localStorage); } catch { return []; } },
};

const keyOf = (file) =>
    `${REMEMBERED}${file.name}|${file.size}|${file.lastModified}`;
const nameOf = (key) =>
    key.slice(REMEMBERED.length).split('|').slice(0, -2).join('|');
const pretty = (bytes) => (bytes < MIB
    ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / MIB).toFixed(1)} MiB`);
const sleep = (ms) => new Promise((go) => setTimeout(go, ms));

// For those who cannot see the bars: what changed, not every percent.
const announce = (text) => $('#live').text(text);

/** An answer that asking again will not change. */
class Refused extends Error {}

/** jQuery's failed request -> an error to retry or to show. */
function errorOf(xhr)
{
    const detail = xhr.responseJSON?.detail;

    if (xhr.status === 0) {
        return new Error('The server does not answer');
    }
    if (xhr.status >= 500 || xhr.status === 408 || xhr.status === 429) {
        return new Error(detail ?? `The server answers ${xhr.status}`);
    }
    return new Refused(detail ?? `The server answers ${xhr.status}`);
}

/** md5 of a file, piece by piece; stop() makes it end early. */
async function digestOf(file, stop)
{
    const md5 = new SparkMD5.ArrayBuffer();

    for (let at = 0; at < file.size && !stop(); at += DIGEST_PIECE) {
        md5.append(await file.slice(at, at + DIGEST_PIECE).arrayBuffer());
    }
    return md5.end();
}

class Upload {
    // data: what the plugin gave its `add` callback
    constructor(data)
    {
        this.data = data;
        this.file = data.files[0];
        this.key = keyOf(this.file);
        this.id = memory.get(this.key);
        this.offset = 0;
        this.turn = 0; // only the newest run goes on
        this.state = 'running'; // paused, failed, complete, removed
        this.digest = digestOf(this.file, () => this.state === 'removed');
        this.digest.catch(() => {}); // told by finish()
        this.draw();
    }

    draw()
    {
        this.item = $($('#item').prop('content')).find('li').clone();
        this.item.find('.name').text(this.file.name);
        this.item.find('progress').attr('aria-label',
                                        `Progress of ${this.file.name}`);
        this.button = this.item.find('.pause').on('click', () =>
            (this.state === 'running' ? this.pause() : this.run()));
        this.item.find('.remove').on('click', () => this.remove());
        for (const button of this.item.find('button')) {
            $(button).attr('aria-label',
                           `${$(button).text()} ${this.file.name}`);
        }
        $('#items').prepend(this.item);
    }

    tell(text, kind = '')
    {
        this.item.removeClass('good bad').addClass(kind);
        this.item.find('.state').text(text);
    }

    // Bytes a second of this sending; the plugin's own figure counts what was
    // there before it.
    speed(loaded)
    {
        const seconds = (Date.now() - this.since) / 1000;

        return this.state === 'running' && seconds > 1 && loaded > this.from
            ? `, ${pretty((loaded - this.from) / seconds)}/s` : '';
    }

    show(loaded)
    {
        const part = this.file.size > 0 ? loaded / this.file.size : 1;

        this.item.find('progress').val(part);
        this.item.find('.percent').text(`${Math.floor(part * 100)} %`);
        this.tell(`${pretty(loaded)} of ${pretty(this.file.size)}`
                  + this.speed(loaded));
    }

    become(state, buttonText)
    {
        this.state = state;
        this.button.text(buttonText)
            .attr('aria-label', `${buttonText} ${this.file.name}`);
    }

    // Where does the server stand?  The upload may be gone, or complete.
    async ask()
    {
        if (!this.id) {
            this.offset = 0;
            return;
        }
        try {
            const known = await $.getJSON(ENDPOINT + this.id);
            this.offset = known.offset;
            this.done = known.status === 'complete';
        } catch (xhr) {
            if (xhr.status !== 404 && xhr.status !== 410) {
                throw errorOf(xhr);
            }
            this.forget();
            this.offset = 0;
        }
    }

    forget()
    {
        memory.drop(this.key);
        this.id = null;
    }

    // What the server said of a chunk.
    note({ upload_id: id, offset })
    {
        this.id = id;
        this.offset = offset;
        this.tries = 0;
        memory.set(this.key, id);
    }

    // The rest of the file, from the offset on: the plugin's turn.
    async send()
    {
        this.since = Date.now();
        this.from = this.offset;
        this.data.uploadedBytes = this.offset;
        this.data.maxChunkSize = Number($('#chunk').val());
        this.request = this.data.submit();
        try {
            await this.request;
        } catch (xhr) {
            // An abort before anything was sent has no request to show.
            if (typeof xhr?.responseJSON?.offset === 'number') {
                this.offset = xhr.responseJSON.offset;
                throw new Error('Going on where the server stands');
            }
            throw xhr?.status === undefined ? new Error('Interrupted')
                                            : errorOf(xhr);
        }
    }

    async finish()
    {
        this.tell('Comparing the md5 ...');
        const md5 = await this.digest.catch(() => {
            throw new Refused('The file cannot be read any more');
        });
        try {
            await $.ajax({ url: `${ENDPOINT}complete`, method: 'POST',
                           dataType: 'json',
                           data: { upload_id: this.id, md5 } });
        } catch (xhr) {
            const error = errorOf(xhr);
            if (error instanceof Refused) {
                this.forget(); // the bytes are not this file's: begin again
            }
            throw error;
        }
    }

    // One run from asking to completion; throws when it was cut short.
    async attempt(current)
    {
        await this.ask();
        if (!current()) {
            return;
        }
        this.show(this.offset);
        if (!this.done && (!this.id || this.offset < this.file.size)) {
            await this.send();
        }
        if (!this.done && current()) {
            await this.finish();
        }
        if (current()) {
            this.complete();
        }
    }

    async run()
    {
        const turn = ++this.turn;
        const current = () => turn === this.turn && this.state === 'running';

        this.become('running', 'Pause');
        this.tries = 0;
        while (current()) {
            try {
                await this.attempt(current);
                return;
            } catch (error) {
                if (!current()) {
                    return;
                }
                if (error instanceof Refused) {
                    this.fail(error);
                    return;
                }
                const wait = Math.min(500 * 2 ** this.tries++, 15000);
                this.show(this.offset);
                this.tell(`${error.message}; trying again in `
                          + `${wait / 1000} s`, 'bad');
                announce(`${this.file.name}: ${error.message}`);
                await sleep(wait);
            }
        }
    }

    fail(error)
    {
        this.become('failed', 'Try again');
        this.show(this.offset);
        this.tell(error.message, 'bad');
        announce(`${this.file.name} failed: ${error.message}`);
    }

    stop(state, buttonText)
    {
        this.become(state, buttonText);
        this.request?.abort();
    }

    pause()
    {
        this.stop('paused', 'Resume');
        this.show(this.offset);
        this.tell(`Paused at ${pretty(this.offset)} of `
                  + pretty(this.file.size));
        announce(`${this.file.name} is paused`);
    }

    remove()
    {
        this.stop('removed', '');
        this.forget();
        this.item.remove();
        uploads.delete(this.key);
        announce(`${this.file.name} is gone from the list`);
        $('#pick').trigger('focus');
    }

    complete()
    {
        this.become('complete', '');
        memory.drop(this.key);
        this.show(this.file.size);
        this.tell('Complete. ', 'good');
        $('<a>').attr('href', ENDPOINT + this.id)
            .text('What the server says of it')
            .appendTo(this.item.find('.state'));
        this.button.prop('hidden', true);
        this.item.find('.remove').text('Clear')
            .attr('aria-label', `Clear ${this.file.name}`);
        announce(`${this.file.name} is complete`);
    }
}

const uploads = new Map();

// The same file again, while it is still there: go on with it.
function take(data)
{
    const key = keyOf(data.files[0]);
    const known = uploads.get(key);

    if (known && known.state !== 'complete') {
        if (known.state !== 'running') {
            known.run();
        }
        return;
    }
    const upload = new Upload(data);
    data.upload = upload;
    uploads.set(key, upload);
    upload.run();
    listWaiting();
}

// Uploads of an earlier visit: a page may not open a file by itself.
function listWaiting()
{
    const keys = memory.keys().filter((key) =>
        key.startsWith(REMEMBERED) && !uploads.has(key));

    $('#waiting').prop('hidden', keys.length === 0)
        .find('ul').empty()
        .append(keys.map((key) => $('<li>').text(nameOf(key))));
}

$('#pick').fileupload({
    url: ENDPOINT,
    type: 'POST',
    dataType: 'json',
    paramName: 'file',
    dropZone: $(document),
    limitConcurrentUploads: 3,
    add: (event, data) => take(data),
    // The plugin asks for the form fields of each chunk anew.
    chunkbeforesend: (event, data) => {
        const { id } = data.upload;
        data.formData = id ? [{ name: 'upload_id', value: id }] : [];
    },
    submit: (event, data) => {
        data.formData = [];
    },
    chunkdone: (event, data) => data.upload.note(data.result),
    done: (event, data) => data.upload.note(data.result),
    progress: (event, data) => {
        if (data.upload.state === 'running') {
            data.upload.show(data.loaded);
        }
    },
});

$(document).on('dragover drop dragleave', (event) => {
    const leaves = event.type === 'dragleave' && event.relatedTarget;
    if (!leaves) {
        $('#drop').toggleClass('over', event.type === 'dragover');
    }
});
listWaiting();
