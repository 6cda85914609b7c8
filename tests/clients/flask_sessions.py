"""A Flask application whose sessions are kept by Flask-Session: `flask_sessions.py redis://127.0.0.1:6379`."""

import sys

import flask
import flask_session
import redis


def application(r):
    app = flask.Flask(__name__)
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=r, SESSION_PERMANENT=True)
    flask_session.Session(app)

    @app.get("/visit")
    def visit():
        flask.session["visits"] = flask.session.get("visits", 0) + 1
        return str(flask.session["visits"])

    @app.get("/leave")
    def leave():
        flask.session.clear()
        return "bye"

    return app


def main():
    r = redis.Redis.from_url(sys.argv[1])
    r.flushall()
    app = application(r)
    ann, bob = app.test_client(), app.test_client()
    assert [ann.get("/visit").text for _ in range(3)] == ["1", "2", "3"] and bob.get("/visit").text == "1"
    keys = r.keys("session:*")
    assert len(keys) == 2 and all(r.ttl(key) > 0 for key in keys), keys
    assert ann.get("/leave").text == "bye" and len(r.keys("session:*")) == 1
    assert ann.get("/visit").text == "1"
    print("ok")


main()
