
# FROM: its first layer is a root filesystem that was added
FROM scratch

MAINTAINER imgkit test

ADD SOURCE /

LABEL imgkit-test="1" note="a<b & c>d, grün" empty=""

ENV PATH=/bin GREETING="hello world"

COPY SOURCE /same
COPY SOURCE /app/

RUN rm /etc/gone && echo new and longer > /etc/replaced && mkdir /opt && ln -s ../app /opt/app

RUN rm -r /srv/old && mkdir /srv/old && echo only > /srv/old/only

RUN rm -r /srv/gone && chmod 4711 /app/main.py && ln /app/data.bin /app/data.hard

COPY SOURCE /same

RUN true

WORKDIR /job

COPY --chown=1000:1000 SOURCE .

EXPOSE 8080/tcp 53/udp
VOLUME /data
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=2 CMD ["/bin/sh","-c","true"]
STOPSIGNAL SIGQUIT

ONBUILD COPY . /job

USER 1000:1000
ENTRYPOINT ["/bin/sh","-c"]
CMD ["true"]
