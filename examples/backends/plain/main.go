// What Roomkey asks, answered with nothing but Go's standard library: may this user, or whoever has this session, enter
// that room? No library, to show how little a signature is; there is an official one for Go too
// (github.com/standard-webhooks/standard-webhooks/libraries/go), as there is for most languages.
//
// Env: ROOMKEY_SIGNING  whsec_…, the same as in roomkey.toml   PORT (3000)   HOST (127.0.0.1; Roomkey alone should reach it)
package main

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxBody   = 64 << 10
	tolerance = 5 * time.Minute // either way, as in the official libraries
)

// ---- where a real app asks its database

var (
	users    = map[string]string{"alice": "Alice", "bob": "Bob", "carol": "Carol"}
	sessions = map[string]string{"alices-session": "alice", "bobs-session": "bob", "carols-session": "carol"}
	members  = map[string]map[string]string{"standup": {"alice": "host", "bob": "viewer"}}
)

type subject struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

type question struct {
	Subject  subject               `json:"subject"`
	Action   struct{ Name string } `json:"action"`
	Resource struct{ ID string }   `json:"resource"`
}

type context struct {
	Role       string      `json:"role,omitempty"`
	Reason     string      `json:"reason,omitempty"`
	Liveblocks *liveblocks `json:"liveblocks,omitempty"`
	Subject    *subject    `json:"subject,omitempty"`
}

type liveblocks struct {
	Rooms []string `json:"rooms,omitempty"`
}

type answer struct {
	Decision bool    `json:"decision"`
	Context  context `json:"context"`
}

// decide is the decision about a user whom the app knows or does not know.
func decide(user string, asked question) answer {
	no := func(reason string) answer { return answer{Context: context{Reason: reason}} }
	if _, known := users[user]; !known {
		return no("no such user")
	}
	switch asked.Action.Name {
	case "liveblocks.personal": // one's own inbox: what happened in which rooms
		opened := &liveblocks{}
		for room, inside := range members {
			if _, in := inside[user]; in {
				opened.Rooms = append(opened.Rooms, room)
			}
		}
		if len(opened.Rooms) == 0 {
			return no("in no room")
		}
		return answer{true, context{Role: "viewer", Liveblocks: opened}}
	case "livekit.join", "liveblocks.enter":
		if role, in := members[asked.Resource.ID][user]; in {
			return answer{true, context{Role: role}}
		}
		return no("not a member of this room") // nor told whether there is one
	default:
		return no("no such action")
	}
}

// ---- who asks

// seen holds the ids of questions that were answered, for twice the tolerance at least: a timestamp may be ahead. Keep
// them where all processes see them if there are several.
type seen struct {
	sync.Mutex
	young, old map[string]bool
	since      time.Time
}

func (s *seen) isNew(id string) bool {
	s.Lock()
	defer s.Unlock()
	if s.young == nil || time.Since(s.since) > 2*tolerance {
		s.young, s.old, s.since = map[string]bool{}, s.young, time.Now()
	}
	if s.young[id] || s.old[id] {
		return false
	}
	s.young[id] = true
	return true
}

// verify checks a signature by Standard Webhooks: HMAC-SHA256 of id.timestamp.body, over the body as it came.
func verify(key []byte, header http.Header, body []byte) error {
	id, stamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if id == "" || err != nil || time.Since(time.Unix(seconds, 0)).Abs() > tolerance {
		return errors.New("no id, or not of now")
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	expected := mac.Sum(nil)
	for _, signature := range strings.Fields(header.Get("webhook-signature")) { // one of several, while a secret changes
		tag, is := strings.CutPrefix(signature, "v1,")
		given, err := base64.StdEncoding.DecodeString(tag)
		if is && err == nil && hmac.Equal(given, expected) { // in constant time
			return nil
		}
	}
	return errors.New("no signature holds")
}

// verified answers only Roomkey: nothing is parsed before the signature holds.
func verified(key []byte, ids *seen, handle func(http.ResponseWriter, *http.Request, question)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		var asked question
		switch {
		case err != nil:
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case verify(key, r.Header, body) != nil || !ids.isNew(r.Header.Get("webhook-id")):
			w.WriteHeader(http.StatusUnauthorized)
		case json.Unmarshal(body, &asked) != nil:
			w.WriteHeader(http.StatusBadRequest)
		default:
			handle(w, r, asked)
		}
	}
}

func send(w http.ResponseWriter, answer answer) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		log.Print(err)
	}
}

// roomkey is `kind = "callback"` under [[authorize]]: Roomkey knows who it is.
func roomkey(w http.ResponseWriter, _ *http.Request, asked question) {
	send(w, decide(asked.Subject.ID, asked))
}

// session is `kind = "callback"` under [[authenticate]]: the user's cookie comes along, and we say whose it is.
func session(w http.ResponseWriter, r *http.Request, asked question) {
	cookie, err := r.Cookie("session")
	if err != nil || sessions[cookie.Value] == "" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	user := sessions[cookie.Value]
	answer := decide(user, asked)
	answer.Context.Subject = &subject{user, users[user]}
	send(w, answer)
}

func main() {
	encoded, is := strings.CutPrefix(os.Getenv("ROOMKEY_SIGNING"), "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !is || err != nil || len(key) < 24 {
		log.Fatal("ROOMKEY_SIGNING is not set to a whsec_… secret")
	}
	ids := &seen{}
	http.HandleFunc("POST /internal/roomkey", verified(key, ids, roomkey))
	http.HandleFunc("POST /internal/session", verified(key, ids, session))
	address := net.JoinHostPort(cmp.Or(os.Getenv("HOST"), "127.0.0.1"), cmp.Or(os.Getenv("PORT"), "3000"))
	server := &http.Server{Addr: address, ReadTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	log.Print("listening on ", address)
	log.Fatal(server.ListenAndServe())
}
